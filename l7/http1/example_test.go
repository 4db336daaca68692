package http1_test

import (
	"fmt"
	"io"
	"strings"

	"fourseven/l7/http1"
)

// A request is read: its head, then its body without the chunks.
func Example() {
	conn := strings.NewReader("POST /a?b HTTP/1.1\r\nHost: example.org\r\nTransfer-Encoding: chunked\r\n\r\n" +
		"5\r\nhello\r\n0\r\n\r\n")
	rd := &http1.Reader{Conn: conn}
	head, err := rd.RequestHead(64 << 10)
	if err != nil {
		fmt.Println(err)
		return
	}
	var req http1.Request
	if err := req.Parse(head); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s %s at %s\n", req.Method, req.Target, req.Host)
	rd.Skip(len(head))
	var body http1.Body
	body.Start(rd, req.Length)
	for {
		piece, err := body.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s\n", piece)
	}
	// Output:
	// POST /a?b at example.org
	// hello
}
