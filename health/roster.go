package health

import "time"

// roster is the list of a pool's backends. It is guarded by Pool.mu.
type roster struct {
	backends []*Backend // in the order of the list
	// departed are those that left and are remembered.
	departed map[string]*Backend // by Addr
}

func newRoster(backends []*Backend) roster {
	for _, b := range backends {
		b.listed = true
	}
	return roster{backends: backends, departed: map[string]*Backend{}}
}

func (r *roster) find(addr string) *Backend {
	for _, b := range r.backends {
		if b.Addr == addr {
			return b
		}
	}
	return nil
}

// replace makes this the list. It returns what changed, if anything did. late is
// whether backends that join do so when others take traffic.
func (r *roster) replace(specs []Spec, late bool) (t Transition, changed bool) {
	t.Kind = ListChanged
	leaving := make(map[string]*Backend, len(r.backends))
	for _, b := range r.backends {
		leaving[b.Addr] = b
	}
	next := make([]*Backend, len(specs))
	changed = len(specs) != len(r.backends)
	for i, spec := range specs {
		b := leaving[spec.Addr]
		delete(leaving, spec.Addr)
		if b == nil {
			b = r.join(spec, late)
			t.Added = append(t.Added, b.Addr)
		} else if alter(b, spec) {
			t.Altered = append(t.Altered, b.String())
			changed = true
		}
		next[i] = b
		changed = changed || b != r.backends[i]
	}
	for _, b := range r.backends {
		if leaving[b.Addr] != nil {
			r.leave(b)
			t.Removed = append(t.Removed, b.Addr)
		}
	}
	r.backends = next
	return t, changed
}

// alter gives the backend another spec, and reports whether its options changed. A
// backend whose name has got its first address is probed without waiting.
func alter(b *Backend, spec Spec) bool {
	before, resolved := b.String(), b.resolved()
	b.setSpec(spec)
	if !resolved && b.resolved() {
		b.Suspect()
	}
	return b.String() != before
}

// join returns the backend of an address that was not in the list: the one that it
// had before, if that is remembered, or a new one.
func (r *roster) join(spec Spec, late bool) *Backend {
	b := r.departed[spec.Addr]
	if b == nil {
		b = spec.Backend()
	} else {
		delete(r.departed, spec.Addr)
		b.setSpec(spec)
		b.status.Store(&Status{})
	}
	b.listed, b.late = true, late
	return b
}

// leave takes the backend out of the list. It is remembered while it has
// connections, which count if it returns, and while the operator's mode or weight
// holds for it: an address that is drained may leave DNS for a while.
func (r *roster) leave(b *Backend) {
	b.listed = false
	r.departed[b.Addr] = b
	for addr, gone := range r.departed {
		if !gone.remembered() {
			delete(r.departed, addr)
		}
	}
}

// remembered reports whether the backend is kept after it left the list.
func (b *Backend) remembered() bool { return b.Active() != 0 || b.overridden() }

// markUp makes all backends up, except names that have no address yet. It reports whether
// the state of one is another.
func (r *roster) markUp() (changed bool) {
	for _, b := range r.backends {
		want := Status{State: Up, Since: time.Now()}
		if !b.resolved() {
			want.State, want.Err = Down, errUnresolved
		}
		if b.Status().State != want.State {
			b.status.Store(&want)
			changed = true
		}
	}
	return changed
}

// available returns the backends that may take traffic, backups apart.
func (r *roster) available() (main, backups []*Backend) {
	for _, b := range r.backends {
		switch {
		case !b.takesTraffic():
		case b.Spec().Backup:
			backups = append(backups, b)
		default:
			main = append(main, b)
		}
	}
	return main, backups
}

// undecided reports whether backends may yet turn out to be up: the state of one is
// not known, or its name has no address so far, or there are no backends, as when all
// are found by names without addresses.
func (r *roster) undecided() bool {
	for _, b := range r.backends {
		if b.Status().State == Unknown || !b.resolved() {
			return true
		}
	}
	return len(r.backends) == 0
}
