// Package pagetest looks at a page in a real browser, for tests alone: Debian's chromium,
// without a window.
package pagetest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/motefs/motefs/fs/fusetest/eventually"
)

// Allowed is the variable that lets tests go without a browser where there is none.
const Allowed = "MOTEFS_TEST_NO_BROWSER"

// Browser is a running browser.
type Browser struct {
	tb  testing.TB
	ctx context.Context
}

// Start starts a browser, which ends with the test. Where there is none the test fails, or
// is skipped if Allowed is set.
func Start(tb testing.TB) *Browser {
	tb.Helper()
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	if program == "" {
		if os.Getenv(Allowed) != "" {
			tb.Skip("there is no chromium")
		}
		tb.Fatalf("there is no chromium: install it (Debian: apt-get install chromium), or set %s=1", Allowed)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.UserDataDir(tb.TempDir()),
		chromedp.Flag("lang", "en-US"), chromedp.WSURLReadTimeout(eventually.Deadline))
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, end := chromedp.NewContext(allocator)
	b := &Browser{tb: tb, ctx: ctx}
	tb.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			tb.Logf("the browser ends: %v", err)
		}
		end()
		stop()
	})
	if err := chromedp.Do(ctx); err != nil {
		tb.Fatalf("start %s: %v", program, err)
	}
	return b
}

// In is the same browser for a subtest.
func (b *Browser) In(tb testing.TB) *Browser { return &Browser{tb: tb, ctx: b.ctx} }

// View is what a page is looked at with.
type View struct {
	Name          string
	Width, Height int64
	Dark          bool
}

// Phone and Desktop are the smallest window that the page is made for, and an ordinary one.
var (
	Phone   = View{Name: "phone", Width: 360, Height: 740}
	Desktop = View{Name: "desktop", Width: 1280, Height: 900}
)

// InDark is the same view for who prefers dark colours.
func (v View) InDark() View {
	v.Name, v.Dark = v.Name+"-dark", true
	return v
}

// scale is how many of the screen's points a pixel has.
func (v View) scale() float64 {
	if v.Width < 500 {
		return 2
	}
	return 1
}

// Tab is one page in a browser, with what it did that a page must not do.
type Tab struct {
	tb     testing.TB
	ctx    context.Context
	origin string

	mu struct {
		sync.Mutex
		requests []string
		trouble  []string
		excused  []string
	}
}

// violations has what the policy refuses be logged as an error of the console.
const violations = `addEventListener("securitypolicyviolation", (e) => console.error("CSP: " + e.violatedDirective + " " + e.blockedURI));`

// Open opens an address in a view. At the end of the test nothing may have gone to another
// origin, and no error been logged, but what is excused.
func (b *Browser) Open(address string, v View) *Tab {
	b.tb.Helper()
	u, err := url.Parse(address)
	if err != nil {
		b.tb.Fatal(err)
	}
	ctx, end := chromedp.NewContext(b.ctx)
	t := &Tab{tb: b.tb, ctx: ctx, origin: u.Scheme + "://" + u.Host + "/"}
	b.tb.Cleanup(func() {
		t.check()
		end()
	})
	if err := chromedp.Listen(ctx, t.note); err != nil {
		b.tb.Fatal(err)
	}
	scheme := "light"
	if v.Dark {
		scheme = "dark"
	}
	t.do("open "+address, call(network.Enable, network.EnableParams{}), call(log.Enable, cdp.Empty{}), call(runtime.Enable, cdp.Empty{}),
		call(emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: v.Width, Height: v.Height, DeviceScaleFactor: v.scale(), Mobile: v.Width < 500}),
		call(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}),
		call(page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: violations}),
		chromedp.Navigate(address))
	return t
}

// call is a command of the browser's protocol.
func call[P, R any](command cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, command, params)
		return err
	})
}

// Excuse has errors with some text not count: those that a test brings about.
func (t *Tab) Excuse(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.excused = append(t.mu.excused, text)
}

// Outlives has what the browser says of a server that goes away not count.
func (t *Tab) Outlives() {
	t.Excuse("ERR_CONNECTION_REFUSED")
	t.Excuse("ERR_CONNECTION_RESET")
	t.Excuse("ERR_EMPTY_RESPONSE")
	t.Excuse("ERR_INCOMPLETE_CHUNKED_ENCODING")
}

func (t *Tab) note(event any) {
	trouble := ""
	t.mu.Lock()
	defer t.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		t.mu.requests = append(t.mu.requests, e.Request.URL)
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			trouble = e.Entry.Text + " " + e.Entry.URL
		}
	case *runtime.EventExceptionThrown:
		trouble = fmt.Sprintf("%s %+v", e.ExceptionDetails.Text, e.ExceptionDetails.Exception)
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError {
			for _, a := range e.Args {
				trouble += string(a.Value) + " "
			}
		}
	case *page.EventJavascriptDialogOpening:
		trouble = "a dialogue: " + e.Message
	}
	if trouble != "" {
		t.mu.trouble = append(t.mu.trouble, trouble)
	}
}

// check fails the test for what the page must not have done.
func (t *Tab) check() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.mu.requests {
		if !strings.HasPrefix(r, t.origin) && !strings.HasPrefix(r, "blob:"+t.origin) {
			t.tb.Errorf("the page asks for %s", r)
		}
	}
	if len(t.mu.requests) == 0 {
		t.tb.Error("no request of the page was noted")
	}
trouble:
	for _, text := range t.mu.trouble {
		for _, excuse := range t.mu.excused {
			if strings.Contains(text, excuse) {
				continue trouble
			}
		}
		t.tb.Errorf("the browser says: %s", text)
	}
}

func (t *Tab) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	t.tb.Helper()
	ctx, end := context.WithTimeout(t.ctx, eventually.Deadline)
	defer end()
	if err := chromedp.Do(ctx, actions...); err != nil {
		t.tb.Fatalf("%s: %v", what, err)
	}
}

// get is do for an action with a result.
func get[T any](t *Tab, what string, action chromedp.Action[T]) T {
	t.tb.Helper()
	ctx, end := context.WithTimeout(t.ctx, eventually.Deadline)
	defer end()
	out, err := chromedp.Run(ctx, action)
	if err != nil {
		t.tb.Fatalf("%s: %v", what, err)
	}
	return out
}

// Eval returns what a JavaScript expression comes to, as text.
func (t *Tab) Eval(expression string) string {
	t.tb.Helper()
	return get(t, expression, chromedp.Evaluate[string]("String("+expression+")"))
}

// Await is Eval of a promise.
func (t *Tab) Await(expression string) string {
	t.tb.Helper()
	return get(t, expression, chromedp.Evaluate[string]("("+expression+").then(String)", chromedp.EvalAwaitPromise))
}

// Until waits until a JavaScript expression holds.
func (t *Tab) Until(expression string) {
	t.tb.Helper()
	for end := time.Now().Add(eventually.Deadline); t.Eval("Boolean("+expression+")") != "true"; time.Sleep(pause) {
		if time.Now().After(end) {
			t.tb.Fatalf("waited in vain for %s; the page says:\n%s", expression, t.Eval("document.body.innerText"))
		}
	}
}

// pause is the time between two looks at a page.
const pause = 10 * time.Millisecond

// Press presses keys, each by its name ("PageDown") or character.
func (t *Tab) Press(keys ...string) {
	t.tb.Helper()
	for _, key := range keys {
		if key == "/" { // which is no character of a text where it is a command
			t.do("press /", call(input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeRawKeyDown, Key: "/", Code: "Slash"}),
				call(input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeKeyUp, Key: "/", Code: "Slash"}))
			continue
		}
		code, ok := map[string]string{
			"PageDown": kb.PageDown, "PageUp": kb.PageUp, "Home": kb.Home, "End": kb.End, "ArrowDown": kb.ArrowDown,
			"ArrowUp": kb.ArrowUp, "Enter": kb.Enter, "Escape": kb.Escape, "Tab": kb.Tab, "Backspace": kb.Backspace,
		}[key]
		if !ok {
			code = key
		}
		t.do("press "+key, chromedp.KeyEvent(code))
	}
}

// Picture writes what is seen into a file, as PNG; all of the page, where whole.
func (t *Tab) Picture(path string, whole bool) {
	t.tb.Helper()
	action := chromedp.CaptureScreenshot()
	if whole {
		action = chromedp.FullScreenshot(100)
	}
	picture := get(t, "picture", action)
	picture, err := small(picture)
	if err == nil {
		err = os.WriteFile(path, picture, 0o644)
	}
	if err != nil {
		t.tb.Fatalf("picture: %v", err)
	}
}
