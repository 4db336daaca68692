package http1

import "sync"

// The two sizes of pooled buffers: a small one holds nearly every head and small
// body; a connection whose reads fill it up changes to a bulk one.
const (
	// SmallBuffer is no multiple of a page: the beginnings of such buffers, which are
	// all that most messages need, would compete for the same few places of the
	// processor's cache.
	SmallBuffer = 4864 // what the allocator gives for 4 KiB and a little
	BulkBuffer  = 32 << 10
)

var (
	smallBuffers = sync.Pool{New: func() any { return new([SmallBuffer]byte) }}
	bulkBuffers  = sync.Pool{New: func() any { return new([BulkBuffer]byte) }}
)

// stockMax is how many small buffers a Stock keeps.
const stockMax = 32

// Stock keeps some small buffers at hand, for the Readers and Writers of one event loop:
// the one that was used last is used first. Its zero value is ready to use; a nil Stock
// keeps none. It is not safe for concurrent use.
type Stock struct {
	kept [stockMax]*[SmallBuffer]byte
	n    int
}

// get returns a buffer of at least n bytes.
func (s *Stock) get(n int) []byte {
	switch {
	case n <= SmallBuffer && s != nil && s.n > 0:
		s.n--
		return s.kept[s.n][:]
	case n <= SmallBuffer:
		return smallBuffers.Get().(*[SmallBuffer]byte)[:]
	case n <= BulkBuffer:
		return bulkBuffers.Get().(*[BulkBuffer]byte)[:]
	}
	return make([]byte, n)
}

// put takes a buffer back. No slice of it may be in use.
func (s *Stock) put(b []byte) {
	switch cap(b) {
	case SmallBuffer:
		small := (*[SmallBuffer]byte)(b[:SmallBuffer])
		if s == nil || s.n == stockMax {
			smallBuffers.Put(small)
			return
		}
		s.kept[s.n] = small
		s.n++
	case BulkBuffer:
		bulkBuffers.Put((*[BulkBuffer]byte)(b[:BulkBuffer]))
	}
}
