package wiretest

import (
	"bytes"
	"strconv"
	"strings"
	"testing"
)

// ReplayLen is the length of a file of Replay, in bytes.
const ReplayLen = 100

// ReplayETag is the ETag of all files of Replay.
const ReplayETag = `"6544-64"`

// Replay is a server that allocates nothing for a request and remembers none: a
// file is ReplayLen times the last byte of its target. An If-None-Match is answered
// with 304, whatever it says, and a Range with the beginning that it asks for.
func Replay(tb testing.TB) *Server { return ReplayWith(tb, func(string) string { return "" }) }

// ReplayWith is Replay with more header fields for a body, each with its CRLF.
func ReplayWith(tb testing.TB, fields func(body string) string) *Server {
	var responses [256][]byte
	for c := range responses {
		body := strings.Repeat(string([]byte{byte(c)}), ReplayLen)
		responses[c] = []byte("HTTP/1.1 200 OK\r\nServer: nginx/1.24.0\r\nContent-Type: application/octet-stream\r\nContent-Length: 100\r\n" +
			"Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nETag: " + ReplayETag + "\r\n" + fields(body) + "\r\n" + body)
	}
	unchanged := []byte(NotModified(ReplayETag))
	return Serve(tb, func(c *Conn) {
		var out, response, part []byte
		for {
			line, err := c.Buf.ReadSlice('\n')
			if err != nil {
				return
			}
			switch version := bytes.Index(line, []byte(" HTTP")); {
			case version > 0:
				response = responses[line[version-1]]
			case bytes.HasPrefix(line, []byte("If-None-Match: ")):
				response = unchanged
			case bytes.HasPrefix(line, []byte("Range: bytes=0-")):
				part = appendPart(part[:0], response, bytes.TrimSpace(line[len("Range: bytes=0-"):]))
				response = part
			case len(line) == 2:
				out = append(out, response...)
			}
			if len(line) == 2 && (c.Buf.Buffered() == 0 || len(out) > 64<<10) {
				if _, err := c.Write(out); err != nil {
					return
				}
				out = out[:0]
			}
		}
	})
}

// appendPart appends a response of the beginning of a file, up to its byte last.
func appendPart(dst, response, last []byte) []byte {
	n := 1
	for _, digit := range last {
		n = (n-1)*10 + int(digit-'0') + 1
	}
	dst = append(dst, "HTTP/1.1 206 Partial Content\r\nContent-Length: "...)
	dst = strconv.AppendInt(dst, int64(n), 10)
	dst = append(dst, "\r\n\r\n"...)
	return append(dst, response[len(response)-ReplayLen:][:n]...)
}
