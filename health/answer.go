package health

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strings"
)

// answer is what is known of a name: of each of its parts the last good answer.
type answer struct {
	records []*net.SRV // of a service
	hosts   map[string]addresses
}

// backends returns the entry's backends as the answer has them, in an order that is
// always the same.
func (a answer) backends(e Entry) []Spec {
	if e.kind == service {
		return a.serviceBackends(e)
	}
	var found []Spec
	for _, addr := range a.hosts[e.name].all() {
		found = append(found, e.backend(net.JoinHostPort(addr.String(), e.port), e.name, 1, false))
	}
	return found
}

// serviceBackends makes the hosts of the lowest priority that has addresses take
// the traffic, and all others backups.
func (a answer) serviceBackends(e Entry) []Spec {
	records := slices.DeleteFunc(slices.Clone(a.records), func(r *net.SRV) bool {
		return len(a.hosts[r.Target].all()) == 0
	})
	slices.SortFunc(records, func(x, y *net.SRV) int { // the resolver shuffles them
		return cmp.Or(cmp.Compare(x.Priority, y.Priority), cmp.Compare(x.Target, y.Target), cmp.Compare(x.Port, y.Port))
	})
	weights := srvWeights(records)
	var found []Spec
	for i, r := range records {
		for _, addr := range a.hosts[r.Target].all() {
			at := net.JoinHostPort(addr.String(), fmt.Sprint(r.Port))
			name := strings.TrimSuffix(r.Target, ".")
			found = append(found, e.backend(at, name, weights[i], r.Priority > records[0].Priority))
		}
	}
	return found
}

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
