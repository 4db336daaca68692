package l7

import (
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// date is the Date field that a response gets which has none (RFC 9110 section 6.6.1). The
// watch formats it once a second, so that a response only copies it.
type date struct {
	line   atomic.Pointer[[]byte] // nil before the first call of set
	second int64                  // of line, in Unix time; belongs to the watch
}

// set makes now the present time.
func (d *date) set(now time.Time) {
	if s := now.Unix(); s != d.second {
		line := appendDate(nil, now)
		d.line.Store(&line)
		d.second = s
	}
}

// append appends the field. Any goroutine may call it.
func (d *date) append(b []byte) []byte {
	if line := d.line.Load(); line != nil {
		return append(b, *line...)
	}
	return appendDate(b, time.Now())
}

func appendDate(b []byte, now time.Time) []byte {
	return append(fasthttp.AppendHTTPDate(append(b, "Date: "...), now), "\r\n"...)
}
