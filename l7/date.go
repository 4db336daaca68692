package l7

import (
	"time"

	"github.com/valyala/fasthttp"
)

// date is the Date field that a response gets which has none (RFC 9110 section 6.6.1). The
// watch formats it once a second, so that a response only copies it. It belongs to a loop.
type date struct {
	line   []byte // empty before the first call of set
	second int64  // of line, in Unix time
}

// set makes now the present time.
func (d *date) set(now time.Time) {
	if s := now.Unix(); s != d.second {
		d.line = appendDate(d.line[:0], now)
		d.second = s
	}
}

// append appends the field.
func (d *date) append(b []byte) []byte {
	if len(d.line) > 0 {
		return append(b, d.line...)
	}
	return appendDate(b, time.Now())
}

func appendDate(b []byte, now time.Time) []byte {
	return append(fasthttp.AppendHTTPDate(append(b, "Date: "...), now), "\r\n"...)
}
