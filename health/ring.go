package health

// ring is the layout of the backends that may take traffic now. It is never
// changed once published.
type ring struct {
	members []member
	// slots holds indexes of members: each is there once per unit of weight (divided by
	// the weights' greatest common divisor), as far from its own other places as the
	// weights allow.
	slots   []int32
	classes []class
}

// member is a backend in a ring, with the weight that it has there.
type member struct {
	*Backend
	weight int
}

// class holds the members of one weight, in their order.
type class struct {
	weight  int
	members []int32
	ids     []uint64 // of the members
}

// newRing lays the members out by smooth weighted round robin. The first member
// of the heaviest comes first.
func newRing(members []member) *ring {
	r := &ring{members: members}
	total, common := 0, 0
	for i, m := range members {
		total += m.weight
		common = gcd(common, m.weight)
		c := r.class(m.weight)
		c.members = append(c.members, int32(i))
		c.ids = append(c.ids, m.id)
	}
	if total > 0 {
		r.layOut(total, total/common)
	}
	return r
}

// class returns the class of that weight, a new one if there is none.
func (r *ring) class(weight int) *class {
	for i := range r.classes {
		if r.classes[i].weight == weight {
			return &r.classes[i]
		}
	}
	r.classes = append(r.classes, class{weight: weight})
	return &r.classes[len(r.classes)-1]
}

// layOut fills n slots. Each goes to the member that is furthest behind its due:
// its weight for every slot so far, less the total for every slot that it has; the
// first such member. In a class all are due the same, so its members take turns,
// and only the classes are compared.
func (r *ring) layOut(total, n int) {
	r.slots = make([]int32, 0, n)
	turns := make([]int, len(r.classes))
	for len(r.slots) < n {
		best, most := 0, 0
		for i := range r.classes {
			c := &r.classes[i]
			due := (len(r.slots)+1)*c.weight - turns[i]/len(c.members)*total
			if i == 0 || due > most || due == most && r.next(i, turns) < r.next(best, turns) {
				best, most = i, due
			}
		}
		r.slots = append(r.slots, r.next(best, turns))
		turns[best]++
	}
}

// next returns the member of a class whose turn it is.
func (r *ring) next(class int, turns []int) int32 {
	members := r.classes[class].members
	return members[turns[class]%len(members)]
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

func contains(tried []*Backend, b *Backend) bool {
	for _, t := range tried {
		if t == b {
			return true
		}
	}
	return false
}
