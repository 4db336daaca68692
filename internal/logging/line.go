package logging

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// line is a line that is being put together, in the form that slog's handlers give it. They
// take twice to four times as long, which was felt in the rate of requests.
type line struct {
	buf  []byte
	json bool
}

// linesMax is how large a buffer may be that is kept for other lines.
const linesMax = 16 << 10

var lines = sync.Pool{New: func() any { return &line{buf: make([]byte, 0, 1<<10)} }}

// newLine returns a line of level info. It is to be released.
func newLine(inJSON bool, at time.Time, message string) *line {
	l := lines.Get().(*line)
	l.json = inJSON
	if inJSON {
		l.buf = append(at.AppendFormat(append(l.buf[:0], `{"time":"`...), time.RFC3339Nano), `","level":"INFO"`...)
	} else {
		l.buf = append(appendMillis(append(l.buf[:0], "time="...), at), " level=INFO"...)
	}
	l.text("msg", message)
	return l
}

// appendMillis appends the time in RFC 3339's form, to the millisecond. The package time is
// fast at its own layouts alone, which know no milliseconds.
func appendMillis(buf []byte, at time.Time) []byte {
	whole := len(buf) + len("2006-01-02T15:04:05")
	buf = at.AppendFormat(buf, time.RFC3339)
	ms := at.Nanosecond() / int(time.Millisecond)
	return slices.Insert(buf, whole, '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10))
}

// end returns the whole line, which is valid until the release.
func (l *line) end() []byte {
	if l.json {
		l.buf = append(l.buf, '}')
	}
	l.buf = append(l.buf, '\n')
	return l.buf
}

func (l *line) release() {
	if cap(l.buf) <= linesMax {
		lines.Put(l)
	}
}

// key begins a field. Keys need no quotes in text.
func (l *line) key(key string) {
	if l.json {
		l.buf = append(append(append(l.buf, `,"`...), key...), `":`...)
		return
	}
	l.buf = append(append(append(l.buf, ' '), key...), '=')
}

// text adds a field that need not be plain: what breaks lines or fields is quoted.
func (l *line) text(key, value string) {
	l.key(key)
	switch {
	case plain(value) && l.json:
		l.buf = append(append(append(l.buf, '"'), value...), '"')
	case l.json:
		l.buf = appendJSON(l.buf, value)
	case needsQuotes(value):
		l.buf = strconv.AppendQuote(l.buf, value)
	default:
		l.buf = append(l.buf, value...)
	}
}

func (l *line) number(key string, value int64) {
	l.key(key)
	l.buf = strconv.AppendInt(l.buf, value, 10)
}

// duration adds a time to the microsecond: in JSON as a number of seconds.
func (l *line) duration(key string, d time.Duration) {
	l.key(key)
	d = d.Round(time.Microsecond)
	if l.json {
		l.buf = strconv.AppendFloat(l.buf, d.Seconds(), 'f', -1, 64)
		return
	}
	l.buf = append(l.buf, d.String()...)
}

// client adds the client's address; those of a Unix socket have none.
func (l *line) client(addr netip.AddrPort) {
	if !addr.IsValid() || addr.Addr().Zone() != "" { // a zone may be any text
		l.text("client", clientName(addr))
		return
	}
	l.key("client")
	if !l.json {
		l.buf = addr.AppendTo(l.buf)
		return
	}
	l.buf = append(addr.AppendTo(append(l.buf, '"')), '"')
}

// plain reports whether a value is of printable ASCII alone, without what has a meaning
// between quotes.
func plain(value string) bool {
	for i := range len(value) {
		if c := value[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// needsQuotes reports whether a value in text is quoted: by slog's rule.
func needsQuotes(value string) bool {
	for _, r := range value {
		if r == ' ' || r == '=' || r == '"' || r == utf8.RuneError || unicode.IsSpace(r) || !unicode.IsPrint(r) && r != 0x7f {
			return true
		}
	}
	return value == ""
}

func appendJSON(buf []byte, value string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(value) // a string always can be
	return append(buf, bytes.TrimSuffix(b.Bytes(), []byte("\n"))...)
}
