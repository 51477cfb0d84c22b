package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// soakFaults are the ways in which an origin gives nothing good, or not always. None of
// them says that a file is gone: that would be believed.
var soakFaults = []origintest.Fault{
	{Status: 503}, {Status: 503, RetryAfter: time.Second}, {Status: 429, RetryAfter: time.Second}, {Status: 500}, {Status: 502, Body: []byte("<html>")},
	{Mode: origintest.Cut}, {Mode: origintest.Cut, Reset: true}, {Mode: origintest.CutBody, N: 7}, {Mode: origintest.Length, N: 5},
	{Mode: origintest.Raw, Body: []byte("SSH-2.0\r\n\r\n"), Close: true}, {Mode: origintest.Drip, Every: 20 * time.Millisecond},
	{Mode: origintest.Hang}, {Mode: origintest.Chunked, N: 10}, {Mode: origintest.Interim, N: 103}, {Location: "/login"},
	{Delay: 300 * time.Millisecond}, {Mode: origintest.UntilClose}, {Close: true},
}

// soakOrigin is an origin with a network before it.
type soakOrigin struct {
	src   *serve.Synthetic
	s     *origintest.Server
	front *front
}

func (s *soak) origin(files int64, list time.Duration) soakOrigin {
	s.t.Helper()
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: files, FilesPerDir: soakDir, VarySize: true, LargeEvery: 997, LargeSize: 150_000, Validators: true, Seed: s.seed})
	server := origintest.New(s.t, serve.Options{PageSize: soakPage, ListLatency: list}, src)
	return soakOrigin{src, server, newFront(s.t, server.Addr())}
}

func (o *soakOrigin) url() string { return "http://" + o.front.addr }

func (o *soakOrigin) heal() {
	o.s.SetFaults(origintest.Faults{})
	o.front.cut()
	o.front.listen(o.front.addr)
}

// disturb has the origin do what a number stands for.
func (o *soakOrigin) disturb(kind, every int) {
	switch kind - len(soakFaults) {
	case 0:
		o.front.refuse()
	case 1:
		o.front.vanish()
	case 2:
		o.front.cut()
	default:
		get := origintest.EveryNth(every, soakFaults[kind])
		o.s.SetFaults(origintest.Faults{OnGet: get, OnList: func(_ string, n int) origintest.Fault { return get(nil, n) }})
	}
}

const soakKinds = 3 // of faults beside soakFaults

// sums writes what sha256sum prints of n files to a file.
func (o *soakOrigin) sums(t *testing.T, file func(k int64) int64, n int64) (path string) {
	var text bytes.Buffer
	for k := range n {
		i := file(k)
		fmt.Fprintf(&text, "%x  %s\n", sha256.Sum256(o.src.Body(i)), o.src.Name(i))
	}
	f, err := os.CreateTemp("", "sums-")
	if err == nil {
		_, err = f.Write(text.Bytes())
	}
	if err := errors.Join(err, f.Close()); err != nil {
		t.Error(err)
	}
	return f.Name()
}
