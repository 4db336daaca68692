//go:build !portable

package loop

import "slices"

// table holds the connections of a loop by slot. An event carries slot and
// generation: it may wait in a batch while its connection is closed and the slot,
// like the descriptor, is given to a new one.
type table struct {
	slots []slot
	free  []int32
}

// noSlot is the slot of a connection that is in no table.
const noSlot = -1

type slot struct {
	conn       *Conn
	generation int32
}

func (t *table) add(c *Conn) {
	if n := len(t.free) - 1; n >= 0 {
		c.slot = t.free[n]
		t.free = t.free[:n]
	} else {
		c.slot = int32(len(t.slots))
		t.slots = append(t.slots, slot{})
	}
	t.slots[c.slot].conn = c
}

func (t *table) remove(c *Conn) {
	s := &t.slots[c.slot]
	s.conn = nil
	s.generation++
	t.free = append(t.free, c.slot)
}

// generation returns what the connection's events carry.
func (t *table) generation(c *Conn) int32 { return t.slots[c.slot].generation }

// find returns the connection that an event is for, or nil if it is closed.
func (t *table) find(slot, generation int32) *Conn {
	if s := &t.slots[slot]; s.generation == generation {
		return s.conn
	}
	return nil
}

// all returns the connections that are open.
func (t *table) all() []*Conn {
	var conns []*Conn
	for _, s := range t.slots {
		if s.conn != nil {
			conns = append(conns, s.conn)
		}
	}
	return slices.Clip(conns)
}
