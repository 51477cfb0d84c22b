package page

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/motefs/motefs/fs/fusetest/eventually"
)

func TestMain(m *testing.M) {
	eventually.AllEnded(m)
}

func TestHeadersOfEveryAnswer(t *testing.T) {
	s := serve(t, openStore(t))
	for path, status := range map[string]int{
		"/": 200, "/main.js": 200, "/style.css": 200, "/icon.svg": 200, "/uplot/uPlot.js": 200, "/api/history": 200, "/api/files": 200, "/api/failures": 200,
		"/nothing": 404, "/uplot/LICENSE": 404, "/uplot/ORIGIN.md": 404, "/../page.go": 404, "/assets/index.html": 404, "/uplot/": 404,
		"/api/files?dir=99": 404, "/api/files?dir=x": 400, "/api/files?after=!": 400, "/api/files?from=" + strings.Repeat("x", maxFrom+1): 400,
		"/api/files?after=" + strings.Repeat("x", maxKey+1): 400, "/api/file?name=eA": 404, "/api/history?since=-1": 400,
	} {
		header := s.get(path, status, nil)
		for name, want := range map[string]string{
			"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer",
			"Cross-Origin-Resource-Policy": "same-origin", "Access-Control-Allow-Origin": "",
		} {
			if got := header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
	}
	for _, unsafe := range []string{"unsafe-inline", "unsafe-eval", "data:", "*", "http:", "https:"} {
		if strings.Contains(policy, unsafe) {
			t.Errorf("the policy allows %s", unsafe)
		}
	}
}

// TestStarting: a browser that comes too early comes again by itself.
func TestStarting(t *testing.T) {
	for path, want := range map[string]int{"/": 503, "/api/files": 503, "/api/events": 503, "/debug/pprof/": 404} {
		w := httptest.NewRecorder()
		Starting(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != want || (w.Header().Get("Refresh") != "") != (path == "/") || w.Header().Get("Content-Security-Policy") != policy {
			t.Errorf("%s: %d, %v", path, w.Code, w.Header())
		}
	}
}

func TestOnlyReads(t *testing.T) {
	s := serve(t, openStore(t))
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS"} {
		for _, path := range []string{"/", "/api/files", "/api/events"} {
			request, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader("x"))
			if err != nil {
				t.Fatal(err)
			}
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if response.StatusCode != http.StatusMethodNotAllowed || response.Header.Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %s: %s", method, path, response.Status)
			}
		}
	}
	for _, path := range []string{"/", "/api/files", "/api/events"} {
		response, err := http.Head(s.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != 200 || len(body) > 0 {
			t.Errorf("HEAD %s: %s, %d bytes, %v", path, response.Status, len(body), err)
		}
	}
}

// TestVendored holds what was taken over to the sums that ORIGIN.md has of it.
func TestVendored(t *testing.T) {
	origin, err := os.ReadFile("assets/uplot/ORIGIN.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir("assets/uplot")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.Name() == "ORIGIN.md" {
			continue
		}
		content, err := os.ReadFile("assets/uplot/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(content)
		if !strings.Contains(string(origin), "| "+f.Name()+" | ") || !strings.Contains(string(origin), hex.EncodeToString(sum[:])) {
			t.Errorf("%s is not what ORIGIN.md says", f.Name())
		}
	}
}

// TestNothingFromElsewhere looks for addresses of others in what a browser is given.
func TestNothingFromElsewhere(t *testing.T) {
	files, err := assets.ReadDir("assets")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		name := f.Name()
		if f.IsDir() || name == "icon.svg" { // which has the address of its format
			continue
		}
		content, err := assets.ReadFile("assets/" + name)
		if err != nil {
			t.Fatal(err)
		}
		for _, bad := range []string{"http://", "https://", "//cdn", "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "style=", "@import", "url("} {
			if strings.Contains(string(content), bad) {
				t.Errorf("%s has %q", name, bad)
			}
		}
	}
}
