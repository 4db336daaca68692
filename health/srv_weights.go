package health

import "net"

// zeroShare is how much smaller than the smallest weight a weight of zero is, next
// to others: RFC 2782 gives it "a very small chance".
const zeroShare = 64

// srvWeights returns the records' weights, from 1 to MaxWeight.
func srvWeights(records []*net.SRV) []int {
	least, most, common, zeros := 1, 0, 0, false
	for _, r := range records {
		zeros = zeros || r.Weight == 0
	}
	if zeros {
		least = zeroShare
	}
	weights := make([]int, len(records))
	for i, r := range records {
		weights[i] = max(int(r.Weight)*least, 1)
		most = max(most, weights[i])
		common = gcd(common, weights[i])
	}
	for i := range weights {
		weights[i] /= common
		if most/common > MaxWeight {
			weights[i] = max(weights[i]*MaxWeight*common/most, 1)
		}
	}
	return weights
}
