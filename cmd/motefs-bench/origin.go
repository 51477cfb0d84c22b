package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/motefs/motefs/mirror/origin/serve"
)

// origin is what the contenders ask. All origins serve the first files of one
// and the same source.
type origin struct {
	name    string
	source  *serve.Synthetic // its length is the listing's
	ceiling string           // the contender that the others are held against
	needs   []program
	start   func(ctx context.Context, b *bench, o *origin) (*server, error)
}

// server is a running origin.
type server struct {
	url string
	cmd *exec.Cmd
}

// startPatience bounds the time until a server answers.
const startPatience = 30 * time.Second

// startServer starts a server and waits until it has said where it listens, or,
// where the URL is known, until it answers there.
func startServer(ctx context.Context, argv []string, url string) (*server, error) {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	said := &output{}
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &server{url: url, cmd: cmd}
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	for {
		if s.url == "" {
			s.url = announcedURL(said.String())
		}
		err := answers(ctx, s.url)
		if err == nil {
			return s, nil
		}
		select {
		case <-ctx.Done():
			s.stop()
			return nil, fmt.Errorf("start %s: %w: %s", argv[0], err, lastLine(said.String()))
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// answers asks for the first page of the listing.
func answers(ctx context.Context, url string) error {
	if url == "" {
		return errors.New("it does not say where it listens")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/list", http.NoBody)
	if err != nil {
		return err
	}
	req.Close = true
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return err
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("get %s: %s", req.URL, res.Status)
	}
	return nil
}

// announcedURL is where motefs serve says that it listens.
func announcedURL(text string) string {
	_, rest, _ := strings.Cut(text, "origin at ")
	url, _, found := strings.Cut(rest, ";")
	if !found {
		return ""
	}
	return url
}

func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(startPatience, func() { _ = s.cmd.Process.Kill() })
	_ = s.cmd.Wait()
	kill.Stop()
}

// output is what a server printed.
type output struct {
	mu struct {
		sync.Mutex
		buf bytes.Buffer
	}
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.mu.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.mu.buf.String()
}

// startServe is motefs serve with the files of a source.
func startServe(flags ...string) func(context.Context, *bench, *origin) (*server, error) {
	return func(ctx context.Context, b *bench, o *origin) (*server, error) {
		argv := []string{b.motefs, "serve", "--listen", "127.0.0.1:0", "--synthetic", fmt.Sprint(o.source.Len())}
		return startServer(ctx, append(argv, flags...), "")
	}
}
