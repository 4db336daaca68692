package l7

// queue is a list of a loop's connections in the order in which they were added. A
// connection is in one queue at a time.
type queue struct {
	first, last *conn
	len         int
}

// push moves a connection to the end of the queue.
func (q *queue) push(c *conn) {
	c.leaveQueue()
	c.queue, c.prev = q, q.last
	if q.last == nil {
		q.first = c
	} else {
		q.last.next = c
	}
	q.last = c
	q.len++
}

// leaveQueue takes the connection out of its queue, if it is in one.
func (c *conn) leaveQueue() {
	q := c.queue
	if q == nil {
		return
	}
	if c.prev == nil {
		q.first = c.next
	} else {
		c.prev.next = c.next
	}
	if c.next == nil {
		q.last = c.prev
	} else {
		c.next.prev = c.prev
	}
	q.len--
	c.queue, c.prev, c.next = nil, nil, nil
}

// each calls a function for each connection. It may move that connection elsewhere.
func (q *queue) each(do func(*conn)) {
	for c := q.first; c != nil; {
		next := c.next
		do(c)
		c = next
	}
}
