package l7

import (
	"fourseven/internal/loop"
	"fourseven/l7/http1"
)

const (
	// bulkMin is how many bytes of a body at a time are worth a pipe: below, copying
	// them costs no more.
	bulkMin = 32 << 10
	// bulkMax is how many are taken at a time.
	bulkMax = 1 << 20
)

// bulk moves what is large of a response's body from socket to socket, without copying
// it. It begins when a read has filled its buffer, and pauses when less than bulkMin is
// there at a time.
type bulk struct {
	client, backend *loop.Conn // nil if they cannot be spliced: there is TLS
	flows           bool       // the last time there was much
}

// newBulk returns the bulk of a body of that length.
func (ex *exchange) newBulk(length int64) (b bulk) {
	client, plain := ex.conn.nc.(*loop.Conn)
	backend, plainToo := ex.backend.conn.nc.(*loop.Conn)
	if length >= bulkMin && plain && plainToo {
		b = bulk{client: client, backend: backend}
	}
	return b
}

// passBulk passes on what has arrived of the body, if that is much. What has been
// gathered goes out first. It reports whether there was any.
func (ex *exchange) passBulk(b *bulk) (bool, error) {
	c, rd, body := ex.conn, &ex.backend.conn.rd, &ex.respBody
	kept := int64(rd.Buffered())
	left := body.Left() - kept
	if b.client == nil || left < bulkMin || kept > 1 || !b.flows && !rd.Filled() {
		return false, nil
	}
	taken, err := ex.takeBulk(b, left)
	if err != nil || !b.flows {
		return false, err
	}
	defer taken.Release()
	n := taken.Len()
	b.flows = n >= bulkMin
	rd.Count.Add(int64(n))
	c.out.Buf = append(c.out.Buf, rd.Unread()...)
	rd.Skip(int(kept))
	keep := 0
	if int64(n) < left {
		keep = 1 // as Body.KeepBack does
	}
	if err := c.sendBulk(taken, keep); err != nil {
		return false, err
	}
	body.Passed(kept + int64(n-keep))
	return true, ex.keepLast(taken, keep)
}

// takeBulk takes what has arrived, and waits for it if there was much before. If nothing
// was taken, b.flows is false.
func (ex *exchange) takeBulk(b *bulk, left int64) (loop.Bulk, error) {
	most := int(min(left, bulkMax))
	taken, ok := b.client.TakeBulk(b.backend, most)
	if !ok && b.flows {
		if err := ex.flushResponse(); err != nil {
			return taken, err
		}
		b.backend.AwaitReadable()
		taken, ok = b.client.TakeBulk(b.backend, most)
	}
	b.flows = ok
	return taken, nil
}

// sendBulk sends what has been gathered, and all but the last bytes of the bulk.
func (c *conn) sendBulk(b loop.Bulk, keep int) error {
	n, err := c.early.writeBulk(c.out.Buf, b, keep)
	c.out.Buf, c.out.Err = c.out.Buf[:0], err
	if n > 0 {
		c.out.Sent = true
		c.progress()
	}
	return err
}

// keepLast puts the last byte, which is kept back, where the next read finds it.
func (ex *exchange) keepLast(b loop.Bulk, keep int) error {
	if keep == 0 {
		return nil
	}
	var last [1]byte
	if _, err := b.Read(last[:]); err != nil {
		return err
	}
	return ex.backend.conn.rd.Put(last[:], http1.BulkBuffer)
}
