package http1

import "bytes"

// RequestHead reads on until a whole request head is there, and returns it. It is
// still unread then, and valid until the next Fill. Empty lines before it are
// skipped (RFC 9112 section 2.2). The error is an *Error if the head is longer than
// limit or cannot become valid, else the connection's.
func (rd *Reader) RequestHead(limit int) ([]byte, error) {
	line := 0
	for {
		checked := line
		for line == 0 && startsEmpty(rd.Unread()) {
			rd.Skip(2)
		}
		p := rd.Unread()
		n, err := headEnd(p, &line, false)
		switch {
		case err != nil:
			return nil, err
		case n > limit || n == 0 && len(p) >= limit:
			return nil, tooLong(p, limit)
		case n > 0:
			return p[:n], nil
		}
		if err := checkStart(p, checked, line); err != nil {
			return nil, err
		}
		if err := rd.Fill(limit); err != nil {
			return nil, err
		}
	}
}

func startsEmpty(p []byte) bool { return len(p) >= 2 && p[0] == '\r' && p[1] == '\n' }

// tooLong is 414 if the first line alone fills the limit (RFC 9110 section
// 15.5.15), else 431.
func tooLong(p []byte, limit int) error {
	if bytes.IndexByte(p[:limit], '\n') < 0 {
		return &Error{414, "request line too long"}
	}
	return &Error{431, "head too long"}
}

// ResponseHead reads on until a whole response head is there, skips it and returns
// it, with the empty lines before it. It is valid until the next Fill. begun reports
// whether any byte of it has arrived, also if there is an error, which is a
// *ResponseError if what has arrived is no response, else the connection's.
func (rd *Reader) ResponseHead(limit int) (head []byte, begun bool, err error) {
	line := 0
	for {
		p := rd.Unread()
		empty := emptyLines(p)
		n, err := headEnd(p[empty:], &line, true)
		if n > 0 {
			rd.Skip(empty + n)
			return p[:empty+n], true, nil
		}
		if err == nil && !startsResponse(p[empty:]) {
			err = &ResponseError{Rule: "no HTTP/1 status line"}
		}
		if err == nil {
			err = rd.Fill(limit)
		}
		if err == errNoRoom {
			err = &ResponseError{Rule: "head too long"}
		}
		if err != nil {
			return nil, rd.Buffered() > 0, err
		}
	}
}

// emptyLines returns the length of the empty lines that p begins with. Some servers send
// one before a response.
func emptyLines(p []byte) int {
	for i, c := range p {
		if c == '\n' || c == '\r' && i+1 < len(p) && p[i+1] == '\n' {
			continue
		}
		return i
	}
	return len(p)
}

// startsResponse reports whether p may be the start of a response.
func startsResponse(p []byte) bool {
	const start = "HTTP/1."
	n := min(len(p), len(start))
	return string(p[:n]) == start[:n] || string(p) == "\r" // of an empty line
}

// headEnd looks for the empty line that ends a head, and returns the length of
// the head with it, or 0. It looks from *line on, the start of a line, and leaves
// there where to go on. A line must end with CR and LF unless lenient: RFC 9112
// section 2.2 lets a recipient take a bare LF for a line's end, which is what
// makes two parsers read a message differently.
func headEnd(p []byte, line *int, lenient bool) (int, error) {
	for {
		i := bytes.IndexByte(p[*line:], '\n')
		if i < 0 {
			return 0, nil
		}
		end := *line + i
		crlf := i > 0 && p[end-1] == '\r'
		if !crlf && !lenient {
			return 0, bad("bare LF")
		}
		if i == 0 || i == 1 && crlf {
			return end + 1, nil
		}
		*line = end + 1
	}
}

// cutLine cuts the first line off, without its end.
func cutLine(p []byte) (line, rest []byte) {
	i := bytes.IndexByte(p, '\n')
	line, rest = p[:i], p[i+1:]
	return bytes.TrimSuffix(line, []byte("\r")), rest
}

// cutUnfolded cuts a line off as cutLine does, with the lines that continue it. In p these
// are put on one line: line ends and the white space behind them become spaces (RFC 9112
// section 5.2).
func cutUnfolded(p []byte) (line, rest []byte, folded bool) {
	line, rest = cutLine(p)
	for len(line) > 0 && len(rest) > 0 && isSpace(rest[0]) {
		from, to := len(line), len(p)-len(rest)
		next, after := cutLine(rest)
		for to < len(p)-len(rest)+len(next) && isSpace(p[to]) {
			to++
		}
		for i := from; i < to; i++ {
			p[i] = ' '
		}
		line, rest, folded = p[:len(p)-len(rest)+len(next)], after, true
	}
	return line, rest, folded
}

// checkStart refuses an incomplete head that cannot become a valid one, so that a client
// of another protocol gets its response at once and not at the header timeout. The lines
// in p[:from] were checked before; p[line:] is not complete.
func checkStart(p []byte, from, line int) error {
	if line == 0 {
		return checkFirstLine(bytes.TrimSuffix(p, []byte("\r")))
	}
	if from == 0 {
		first, rest := cutLine(p)
		if err := new(Request).parseRequestLine(first); err != nil {
			return err
		}
		from = len(p) - len(rest)
	}
	return checkFields(p[from:line])
}

// checkFirstLine checks the part of a request line that has arrived.
func checkFirstLine(p []byte) error {
	method, rest, _ := bytes.Cut(p, []byte(" "))
	if !all(&isToken, method) || !all(&isValue, rest) {
		return bad("not a request line")
	}
	return nil
}

// checkFields checks whole lines.
func checkFields(p []byte) error {
	for len(p) > 0 {
		var line []byte
		line, p = cutLine(p)
		if _, ok := cutField(line); !ok {
			return bad("malformed header line")
		}
	}
	return nil
}
