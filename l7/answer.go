package l7

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/valyala/fasthttp"
)

// answerTime bounds the write of an answer of our own.
const answerTime = 5 * time.Second

// answer sends the client an answer of our own. An empty text says what the
// status means, and no more.
func (c *conn) answer(status int, text string) {
	if text == "" {
		text = fasthttp.StatusMessage(status)
	}
	c.rec.own = status
	// The connection may have been stopped: its deadline is over then.
	_ = c.nc.SetWriteDeadline(time.Now().Add(answerTime))
	c.out.Start()
	c.out.Buf = c.appendAnswer(c.out.Buf, status, text)
	if c.out.Flush() != nil {
		c.close = true
	}
	c.out.Release()
	_ = c.nc.SetWriteDeadline(time.Time{})
}

// appendAnswer appends a whole response with a JSON body.
func (c *conn) appendAnswer(dst []byte, status int, text string) []byte {
	quoted, err := json.Marshal(map[string]string{"error": text})
	if err != nil {
		panic(err) // no string fails
	}
	text = string(quoted)
	// Not a fasthttp.ResponseHeader: its Date starts a goroutine that never ends.
	dst = fmt.Appendf(dst, "HTTP/1.1 %d %s\r\nDate: ", status, fasthttp.StatusMessage(status))
	dst = fasthttp.AppendHTTPDate(dst, time.Now())
	dst = fmt.Appendf(dst, "\r\nContent-Type: application/json\r\nContent-Length: %d\r\n", len(text))
	switch {
	case c.close:
		dst = append(dst, "Connection: close\r\n"...)
	case c.req.HTTP10:
		dst = append(dst, "Connection: keep-alive\r\n"...)
	}
	dst = append(dst, "\r\n"...)
	if c.req.IsHead {
		return dst
	}
	return append(dst, text...)
}
