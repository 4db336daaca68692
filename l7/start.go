package l7

import "bytes"

// checkStart refuses an incomplete head that cannot become a good one, so that who
// speaks another protocol is told at once and not at the header timeout. The lines
// in p[:from] were checked before; p[line:] is not complete.
func checkStart(p []byte, from, line int) error {
	if line == 0 {
		return checkFirstLine(bytes.TrimSuffix(p, []byte("\r")))
	}
	if from == 0 {
		first, rest := cutLine(p)
		if err := new(request).parseRequestLine(first); err != nil {
			return err
		}
		from = len(p) - len(rest)
	}
	return checkFields(p[from:line])
}

// checkFirstLine checks what has come of a request line.
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
