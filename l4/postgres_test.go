package l4

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
)

// pgScript is a client that has sent these bytes, in pieces that arrive one by one.
type pgScript struct {
	pieces [][]byte
	wrote  bytes.Buffer
}

func (s *pgScript) Read(p []byte) (int, error) {
	for len(s.pieces) > 0 && len(s.pieces[0]) == 0 {
		s.pieces = s.pieces[1:]
	}
	if len(s.pieces) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.pieces[0])
	s.pieces[0] = s.pieces[0][n:]
	return n, nil
}

// TryRead reads from the piece that has begun to arrive.
func (s *pgScript) TryRead(p []byte) (int, error) {
	if len(s.pieces) == 0 {
		return 0, nil
	}
	n := copy(p, s.pieces[0])
	s.pieces[0] = s.pieces[0][n:]
	return n, nil
}

func (s *pgScript) Write(p []byte) (int, error) { return s.wrote.Write(p) }
func (s *pgScript) Unread(p []byte)             { s.pieces = append([][]byte{bytes.Clone(p)}, s.pieces...) }

// rest returns what is left to read.
func (s *pgScript) rest() string { return string(bytes.Join(s.pieces, nil)) }

// pgMessage is a first message of a client.
func pgMessage(code uint32, body string) string {
	head := binary.BigEndian.AppendUint32(nil, uint32(8+len(body)))
	return string(binary.BigEndian.AppendUint32(head, code)) + body
}

const pgVersion3 = 3 << 16

// Pins what each beginning of a PostgreSQL client is answered, and what is left unread.
func TestAnswerPostgres(t *testing.T) {
	ssl, gss := pgMessage(pgSSLRequest, ""), pgMessage(pgGSSRequest, "")
	startup := pgMessage(pgVersion3, "user\x00me\x00\x00")
	cancel := pgMessage(pgCancelRequest, "pid_key_")
	hello := "\x16\x03\x01..."
	for _, tt := range []struct {
		name   string
		plain  bool     // TLS is not offered
		sent   []string // pieces
		want   pgBeginning
		err    any    // *pgRefusal or error
		answer string // or the code of a refusal
		rest   string
	}{
		{name: "TLS", sent: []string{ssl, hello}, want: pgTLS, answer: "S", rest: hello},
		{name: "TLS, byte by byte", sent: strings.Split(ssl, ""), want: pgTLS, answer: "S"},
		{name: "TLS after GSSAPI", sent: []string{gss, ssl, hello}, want: pgTLS, answer: "NS", rest: hello},
		{name: "direct TLS", sent: []string{hello}, want: pgDirectTLS, rest: hello},
		{name: "direct TLS after GSSAPI", sent: []string{gss, hello}, want: pgDirectTLS, answer: "N", rest: hello},
		{name: "cancel", sent: []string{cancel}, want: pgPlain, rest: cancel},
		{name: "cancel with a long key", sent: []string{pgMessage(pgCancelRequest, strings.Repeat("k", 260))}, want: pgPlain, rest: pgMessage(pgCancelRequest, strings.Repeat("k", 260))},
		{name: "plain", sent: []string{startup}, err: errPGPlain, answer: "28000"},
		{name: "plain after GSSAPI", sent: []string{gss, startup}, err: errPGPlain, answer: "N28000"},
		{name: "plain behind the request", sent: []string{ssl + startup}, err: errPGEarly, answer: "08P01", rest: startup[1:]},
		{name: "TLS behind the request", sent: []string{ssl + hello}, err: errPGEarly, answer: "08P01", rest: hello[1:]},
		{name: "GSSAPI again and again", sent: []string{gss, gss, gss}, err: errPGUnknown, answer: "N0A000", rest: gss},
		{name: "protocol 2", sent: []string{pgMessage(2<<16, strings.Repeat("x", 288))}, err: errPGUnknown, answer: "0A000"},
		{name: "HTTP", sent: []string{"GET / HTTP/1.1\r\n\r\n"}, err: errPGUnknown, answer: "0A000", rest: "TTP/1.1\r\n\r\n"[1:]},
		{name: "long cancel", sent: []string{pgMessage(pgCancelRequest, strings.Repeat("k", 261))}, err: errPGUnknown, answer: "0A000"},
		{name: "nothing", err: io.EOF},
		{name: "half a request", sent: []string{ssl[:5]}, err: io.ErrUnexpectedEOF},

		{name: "not offered", plain: true, sent: []string{ssl, startup}, want: pgPlain, answer: "N", rest: startup},
		{name: "neither offered", plain: true, sent: []string{gss, ssl, startup}, want: pgPlain, answer: "NN", rest: startup},
		{name: "not asked for", plain: true, sent: []string{startup}, want: pgPlain, rest: startup},
		{name: "cancel where it is not offered", plain: true, sent: []string{cancel}, want: pgPlain, rest: cancel},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &pgScript{}
			for _, piece := range tt.sent {
				s.pieces = append(s.pieces, []byte(piece))
			}
			got, err := answerPostgres(s, !tt.plain)
			answer := s.wrote.String()
			if want, ok := tt.err.(*pgRefusal); ok {
				n, response := len(answer)-len(want.response()), string(want.response())
				if n < 0 || answer[n:] != response || !strings.Contains(response, "C"+want.code+"\x00") {
					t.Fatalf("answer %q, want it to end in %q", answer, response)
				}
				answer = answer[:n] + want.code
			}
			if want, _ := tt.err.(error); !errors.Is(err, want) || err == nil && got != tt.want {
				t.Errorf("got %d, error %v, want %d, %v", got, err, tt.want, want)
			}
			if answer != tt.answer || s.rest() != tt.rest {
				t.Errorf("answer %q, want %q; left %q, want %q", answer, tt.answer, s.rest(), tt.rest)
			}
		})
	}
}

// FuzzAnswerPostgres pins that no client in plain text gets past, but to cancel, that what
// comes behind an answer is not read, and that little is answered.
func FuzzAnswerPostgres(f *testing.F) {
	for _, seed := range []string{
		pgMessage(pgSSLRequest, ""), pgMessage(pgGSSRequest, "") + pgMessage(pgSSLRequest, ""), "\x16\x03\x01",
		pgMessage(pgCancelRequest, "12345678"), pgMessage(pgVersion3, "user\x00a\x00\x00"), "GET / HTTP/1.1\r\n\r\n",
	} {
		f.Add([]byte(seed), uint8(8), true)
		f.Add([]byte(seed), uint8(1), false)
	}
	f.Fuzz(func(t *testing.T, sent []byte, size uint8, secure bool) {
		s := &pgScript{}
		for rest := bytes.Clone(sent); len(rest) > 0; {
			n := min(max(int(size), 1), len(rest))
			s.pieces, rest = append(s.pieces, rest[:n:n]), rest[n:]
		}
		got, err := answerPostgres(s, secure)
		if s.wrote.Len() > 1<<10 {
			t.Errorf("%d bytes of answers", s.wrote.Len())
		}
		if err != nil {
			return
		}
		rest := s.rest()
		if !bytes.HasSuffix(sent, []byte(rest)) {
			t.Fatalf("left %q of %q", rest, sent)
		}
		if offered := strings.Contains(s.wrote.String(), "S"); offered != (got == pgTLS) || offered && !secure {
			t.Errorf("answered %q and goes on with %d", s.wrote.String(), got)
		}
		if secure && got == pgPlain && (len(rest) < 8 || binary.BigEndian.Uint32([]byte(rest)[4:]) != pgCancelRequest) {
			t.Errorf("%q got past in plain text", rest)
		}
		if got == pgDirectTLS && rest[0] != tlsHandshakeRecord {
			t.Errorf("%q as TLS", rest)
		}
	})
}

// Pins what a server may answer that is asked for TLS, and that nothing behind the answer
// is read.
func TestAskPostgres(t *testing.T) {
	for answer, want := range map[string]string{
		"S":          "",
		"N":          "does not offer TLS",
		"ESFATAL":    `expected S or N from a PostgreSQL server, got "E"`,
		"SZ\x00\x00": "",
		"":           "EOF",
	} {
		ours, theirs := net.Pipe()
		left := make(chan string, 1)
		go func() {
			request := make([]byte, 8)
			_, _ = io.ReadFull(theirs, request)
			if string(request) != pgMessage(pgSSLRequest, "") {
				t.Errorf("asked by %q", request)
			}
			n, _ := io.WriteString(theirs, answer)
			_ = theirs.Close()
			left <- answer[n:]
		}()
		err := askPostgres(ours)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: error %v, want %q", answer, err, want)
		}
		_ = ours.Close()
		if got := <-left; len(answer) > 1 && got != answer[1:] {
			t.Errorf("%q: %q was left, want %q", answer, got, answer[1:])
		}
	}
}
