package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/motefs/motefs/cmd/motefs/internal/page/pagetest"
	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/fs/fusetest/process"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
)

var pageAt = regexp.MustCompile(`motefs: page at (http://\S+/)\n`)

// pageOf is where a process says that its page is.
func pageOf(t *testing.T, p *process.Process) string {
	t.Helper()
	var found []string
	eventually.True(t, "the address of a page", func() bool {
		found = pageAt.FindStringSubmatch(p.Stdout.String())
		return found != nil
	})
	return found[1]
}

// ended is a page that has heard of the end, or has lost its connection before that, as it may on a
// machine that is busy.
const ended = `/motefs ended at|Connection lost at/.test(document.querySelector("#connection").textContent)`

// TestPageOfAMirror looks at a mirror while it runs, and at its end.
func TestPageOfAMirror(t *testing.T) {
	b := pagetest.Start(t)
	const files, steps, failed = 6000, 4, 6 // one of each thousand fails
	o := serveTest(t, serve.Options{}, synthetic(files))
	// The origin has the files in steps, each after the page has shown the one before.
	var begun [steps]chan struct{}
	var begin [steps]func()
	for i := range begun {
		begun[i] = make(chan struct{})
		begin[i] = sync.OnceFunc(func() { close(begun[i]) })
		t.Cleanup(begin[i])
	}
	o.SetFaults(origintest.Faults{OnGet: func(name []byte, _ int) origintest.Fault {
		i, err := strconv.Atoi(string(name[len(name)-6:]))
		if err != nil {
			t.Error(err)
		}
		<-begun[i*steps/files]
		if i%1000 == 777 {
			return origintest.Fault{Status: 403}
		}
		return origintest.Fault{}
	}})
	p := start(t, "mirror", "--outage", shortOutage, "--store", filepath.Join(t.TempDir(), "store"), "--metrics", "127.0.0.1:0", o.URL())
	address := pageOf(t, p)
	eventually.True(t, "the session", func() bool { return answered(address) == http.StatusOK })
	tab := b.Open(address, pagetest.Desktop)
	tab.Until(`document.querySelector("#state").textContent === "mirroring"`)
	fetched := `document.querySelector(".tile-fetched b").textContent`
	for _, more := range begin[:steps-1] { // it grows, without a reload
		before := tab.Eval(fetched)
		more()
		tab.Until(fetched + " !== " + strconv.Quote(before))
	}
	tab.Until(`document.querySelector(".chart canvas") && document.querySelectorAll("#overview .levels, #overview td").length >= 7`)
	tab.Outlives()
	begin[steps-1]()
	tab.Until(fmt.Sprintf(`document.querySelector(".tile-failed b").textContent === "%d"`, failed))
	tab.Eval(`location.hash = "#/failures"`)
	tab.Until(fmt.Sprintf(`document.querySelectorAll("#failures tbody tr").length === %d || document.querySelector("#connection").textContent.includes("ended")`, failed))
	if status := p.Wait(); status != exitFailed {
		t.Errorf("status %d: %s", status, p)
	}
	tab.Until(ended)
	lost := strings.HasPrefix(tab.Eval(`document.querySelector("#connection").textContent`), "Connection lost")
	if state := tab.Eval(`document.querySelector("#state").textContent`); state != "ended, with failures" && !lost {
		t.Errorf("at the end its state is %q", state)
	}
}

// answered is the status of an answer, 0 where there is none.
func answered(address string) int {
	response, err := http.Get(address)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	return response.StatusCode
}

// TestPageOfAMount reads a mount of which the page is open, and starts it again.
func TestPageOfAMount(t *testing.T) {
	b := pagetest.Start(t)
	o := serveTest(t, serve.Options{}, synthetic(1000))
	address := freeAddress(t)
	m := startMount(t, o.URL(), "--metrics", address)
	tab := b.Open(pageOf(t, m.Process), pagetest.Phone)
	tab.Until(`document.querySelector("#state").textContent === "serving"`)
	tab.Eval(`location.hash = "#/files/1"`)
	row := `document.querySelector(".entries tbody tr:nth-child(43)")`
	tab.Until(row)
	name := tab.Eval(row + `.querySelector("a").textContent`)
	if state := tab.Eval(row + `.querySelector(".state").textContent`); state != "pending" {
		t.Errorf("%s is %s, and was not read", name, state)
	}
	tab.Eval(row + `.querySelector("a").click()`)
	tab.Until(`document.querySelector(".preview .note").textContent.includes("not fetched yet")`)
	if n := o.Names(); n != 0 {
		t.Errorf("looking at a file asked the origin for %d", n)
	}
	content := shell(t, `od -An -tx1 -N8 "$1/$2"`, m.dir, name)
	tab.Until(row + `.querySelector(".state").textContent === "fetched"`)
	tab.Eval(`document.querySelector(".preview .close").click()`)
	tab.Eval(row + `.querySelector("a").click()`)
	tab.Until(`document.querySelector(".preview pre") && document.querySelector(".preview pre").textContent`)
	tab.Eval(`[...document.querySelectorAll(".views button")].find((b) => b.textContent === "Hex")?.click()`)
	if shows := tab.Eval(`document.querySelector(".preview pre").textContent.slice(7, 7 + 24)`); strings.TrimSpace(shows) != strings.TrimSpace(content) {
		t.Errorf("the page shows %q, the mount %q", shows, content)
	}
	tab.Eval(`location.hash = "#/"`)
	tab.Until(`document.querySelector("#overview").innerText.includes("mounted at ` + m.dir + `")`)
	tab.Outlives()
	m.stop()
	tab.Until(ended)
	again := m.again(o.URL(), "--metrics", address)
	tab.Until(`document.querySelector("#connection").textContent.includes("started again")`)
	tab.Until(`document.querySelector(".tile-fetched b").textContent === "1"`)
	again.Kill()
	tab.Until(`document.querySelector("#connection").textContent.includes("Connection lost")`)
	last := m.again(o.URL(), "--metrics", address)
	tab.Until(`document.querySelector("#connection").textContent.includes("started again")`)
	last.stop()
}

// freeAddress is one that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

var screenshots = flag.String("screenshots", "", "`directory` for pictures of the page of a mirror")

// TestScreenshots makes the pictures of the documents: make screenshots.
func TestScreenshots(t *testing.T) {
	if *screenshots == "" {
		return // it is no test then
	}
	o := serveTest(t, serve.Options{}, serve.NewSynthetic(serve.SyntheticOptions{Files: 1_500_000, FilesPerDir: 30_000, VarySize: true, Validators: true, Compressible: true}))
	o.SetFaults(origintest.Faults{OnGet: func(name []byte, n int) origintest.Fault {
		switch {
		case strings.HasSuffix(string(name), "0777"):
			return origintest.Fault{Status: 403}
		case strings.HasSuffix(string(name), "04242"):
			return origintest.Fault{Status: 500}
		}
		return origintest.Fault{}
	}})
	// Paths that can be shown.
	dir := "/tmp/motefs-page"
	if err := errors.Join(os.Mkdir(dir, 0o700), os.Mkdir(dir+"/files", 0o700)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	m := &mountedProcess{t: t, dir: dir + "/files", store: dir + "/store"}
	t.Cleanup(m.clear)
	m = m.again(o.URL(), "--prefetch-all", "--limit-files", "16000", "--metrics", "127.0.0.1:0")
	address := pageOf(t, m.Process)
	readers := process.Start(t, process.Command("sh", "-c", `cd "$1" && while :; do ls -U | head -n 3 | while read d; do ls -U "$d" | head -n 300 | while read f; do cat "$d/$f"; done; done; done >/dev/null 2>&1`, "sh", m.dir))
	eventually.True(t, "some history", func() bool {
		var past struct{ Last int }
		response, err := http.Get(address + "api/history")
		if err != nil {
			return false
		}
		defer response.Body.Close()
		return json.NewDecoder(response.Body).Decode(&past) == nil && past.Last >= 50
	})
	readers.Kill()
	b := pagetest.Start(t)
	for _, v := range []pagetest.View{pagetest.Desktop, pagetest.Desktop.InDark(), pagetest.Phone, pagetest.Phone.InDark()} {
		tab := b.Open(address, v)
		tab.Outlives()
		tab.Until(`document.querySelectorAll(".legend b")[1].textContent !== "–" && document.querySelector("#overview table")`)
		if v.Dark == (v.Width < 500) { // half of them are enough
			tab.Picture(filepath.Join(*screenshots, "overview-"+v.Name+".png"), false)
			continue
		}
		tab.Eval(`location.hash = "#/files/1"`)
		tab.Until(`document.querySelector(".directory a")`)
		tab.Eval(`document.querySelector(".directory a").click()`)
		tab.Until(`document.querySelector(".entries .state-fetched")`)
		tab.Eval(`document.querySelectorAll(".entries .col-name a")[4].click()`)
		tab.Until(`document.querySelector(".preview pre")`)
		tab.Eval(`document.activeElement.blur()`)
		tab.Picture(filepath.Join(*screenshots, "files-"+v.Name+".png"), false)
	}
	m.stop()
}
