package health

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// answer is what is known of a name: the last good of each of its parts.
type answer struct {
	records []*net.SRV // of a service
	hosts   map[string]addresses
}

// addresses are a host's.
type addresses struct{ v4, v6 []netip.Addr }

// backends returns the entry's backends as the answer has them, in an order that is
// always the same.
func (a answer) backends(e Entry) []Spec {
	if e.kind == service {
		return a.serviceBackends(e)
	}
	var found []Spec
	for _, addr := range a.hosts[e.name].both() {
		found = append(found, e.backend(net.JoinHostPort(addr.String(), e.port), e.name, 1, false))
	}
	return found
}

func (a addresses) both() []netip.Addr { return slices.Concat(a.v4, a.v6) }

// serviceBackends makes the hosts of the lowest priority that has addresses take
// the traffic, and all others backups.
func (a answer) serviceBackends(e Entry) []Spec {
	records := slices.DeleteFunc(slices.Clone(a.records), func(r *net.SRV) bool {
		return len(a.hosts[r.Target].both()) == 0
	})
	slices.SortFunc(records, func(x, y *net.SRV) int { // the resolver shuffles them
		return cmp.Or(cmp.Compare(x.Priority, y.Priority), cmp.Compare(x.Target, y.Target), cmp.Compare(x.Port, y.Port))
	})
	weights := srvWeights(records)
	var found []Spec
	for i, r := range records {
		for _, addr := range a.hosts[r.Target].both() {
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
