package http1

// parseChunkSize reads a chunk's size line, without its end: hexadecimal digits
// and well-formed extensions (RFC 9112 section 7.1.1), which are not passed on.
func parseChunkSize(line []byte) (n int64, ok bool) {
	i := 0
	for ; i < len(line); i++ {
		d, ok := hexDigit(line[i])
		if !ok {
			break
		}
		if n >= 1<<58 {
			return 0, false
		}
		n = n<<4 | int64(d)
	}
	return n, i > 0 && validExtensions(line[i:])
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10, true
	}
	return 0, false
}

// validExtensions checks *( BWS ";" BWS token [ BWS "=" BWS ( token / quoted ) ] ).
func validExtensions(p []byte) bool {
	for len(p) > 0 {
		p = trimLeft(p)
		if len(p) == 0 || p[0] != ';' {
			return false
		}
		n := tokenLength(trimLeft(p[1:]))
		if n == 0 {
			return false
		}
		p = trimLeft(p[1:])[n:]
		after := trimLeft(p)
		if len(after) == 0 || after[0] != '=' {
			continue
		}
		p = trimLeft(after[1:])
		if n = valueLength(p); n == 0 {
			return false
		}
		p = p[n:]
	}
	return true
}

func trimLeft(p []byte) []byte {
	for len(p) > 0 && isSpace(p[0]) {
		p = p[1:]
	}
	return p
}

func tokenLength(p []byte) int {
	n := 0
	for n < len(p) && isToken[p[n]] {
		n++
	}
	return n
}

// valueLength returns the length of the token or quoted string that p starts
// with, or 0 (RFC 9110 section 5.6.4).
func valueLength(p []byte) int {
	if len(p) == 0 || p[0] != '"' {
		return tokenLength(p)
	}
	for i := 1; i < len(p); i++ {
		switch p[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return 0
}
