package page

import (
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/cmd/motefs/internal/page/pagetest"
)

// pictures is where pictures of what is tested are put, for who wants to see them.
var pictures = flag.String("pictures", "", "`directory` for pictures of the page")

func picture(tab *pagetest.Tab, v pagetest.View, name string) {
	if *pictures != "" {
		tab.Picture(filepath.Join(*pictures, name+"-"+v.Name+".png"), false)
	}
}

var views = []pagetest.View{pagetest.Phone, pagetest.Desktop, pagetest.Phone.InDark(), pagetest.Desktop.InDark()}

// eachView runs a test in one browser and every view.
func eachView(t *testing.T, test func(t *testing.T, b *pagetest.Browser, v pagetest.View)) {
	b := pagetest.Start(t)
	for _, v := range views {
		t.Run(v.Name, func(t *testing.T) { test(t, b.In(t), v) })
	}
}

// fits checks that nothing is wider than the window.
func fits(t *testing.T, tab *pagetest.Tab) {
	t.Helper()
	if wide := tab.Eval("document.documentElement.scrollWidth - innerWidth"); wide != "0" && !strings.HasPrefix(wide, "-") {
		t.Errorf("the page is %s pixels wider than its window", wide)
	}
}

func TestCountsUpdateLive(t *testing.T) {
	s := serve(t, openStore(t))
	eachView(t, func(t *testing.T, b *pagetest.Browser, v pagetest.View) {
		tab := b.Open(s.URL, v)
		for _, n := range []int{11, 1234, 999_999} {
			s.source.set(func(status map[string]any, m *Meters) {
				status["fetched"] = n
				m.Files = uint64(n)
			})
			text := strconv.Quote(count(n))
			tab.Until("document.querySelector('.tile-fetched b').textContent === " + text)
		}
		tab.Until("document.querySelector('.chart canvas')")
		tab.Until("document.querySelectorAll('#overview .legend b')[1].textContent !== '–'")
		fits(t, tab)
		picture(tab, v, "overview")
	})
}

func count(n int) string {
	text := strconv.Itoa(n)
	for k := len(text) - 3; k > 0; k -= 3 {
		text = text[:k] + "," + text[k:]
	}
	return text
}

// TestPagesThroughManyNames pages through 15,000 names by keyboard alone, and back; make long has 100,000.
func TestPagesThroughManyNames(t *testing.T) {
	files := 15_000
	if os.Getenv("MOTEFS_TEST_LONG") != "" {
		files = 100_000
	}
	last := fmt.Sprintf("file-%06d", files-1)
	found := fmt.Sprintf("file-%06d", files/2+321)
	store := openStore(t)
	list(t, store, numbered("file-%06d", files), pend)
	s := serve(t, store)
	b := pagetest.Start(t)
	for _, v := range []pagetest.View{pagetest.Phone, pagetest.Desktop} {
		t.Run(v.Name, func(t *testing.T) {
			tab := b.In(t).Open(s.URL+"/#/files/1", v)
			focused := func(name string) {
				t.Helper()
				tab.Until(fmt.Sprintf("document.activeElement.closest('tr') && document.activeElement.textContent === %q", name))
			}
			tab.Until("document.querySelectorAll('.entries tbody tr').length > 0")
			tab.Eval("document.activeElement.blur()")
			for range 40 { // Tab comes to the list
				if tab.Eval("Boolean(document.activeElement.closest('tr'))") == "true" {
					break
				}
				tab.Press("Tab")
			}
			focused("file-000000")
			if style := tab.Eval("getComputedStyle(document.activeElement).outlineStyle"); style != "solid" {
				t.Errorf("what has the focus is not seen: its outline is %s", style)
			}
			end := files - maxEntries
			if v.Width < 500 { // some of it, as each page takes time
				end = 5 * maxEntries
			}
			for at := maxEntries; at <= end; at += maxEntries {
				tab.Press("PageDown")
				focused(fmt.Sprintf("file-%06d", at))
			}
			if end+maxEntries == files {
				tab.Press("PageDown")
				focused(last)
			}
			tab.Press("PageUp")
			focused(fmt.Sprintf("file-%06d", end-maxEntries))
			tab.Press("Home")
			focused("file-000000")
			tab.Press("ArrowDown", "ArrowDown", "ArrowUp")
			focused("file-000001")
			tab.Press("PageDown")
			focused(fmt.Sprintf("file-%06d", maxEntries))
			tab.Press("ArrowUp") // over the beginning of a page
			focused(fmt.Sprintf("file-%06d", maxEntries-1))
			tab.Press("ArrowDown") // and over its end
			focused(fmt.Sprintf("file-%06d", maxEntries))
			tab.Press("End")
			focused(last)
			tab.Press("/")
			tab.Press(strings.Split(found, "")...)
			tab.Press("Enter")
			focused(found)
			fits(t, tab)
		})
	}
}

// TestWaysUp goes down into a directory that stands behind the first names, and up again.
func TestWaysUp(t *testing.T) {
	store := openStore(t)
	list(t, store, append(numbered("file-%04d", maxEntries+50), "zoo/in it", "zoo/deep/deeper/deepest"), pend)
	s := serve(t, store)
	tab := pagetest.Start(t).Open(s.URL+"/#/files/1", pagetest.Desktop)
	focused := func(name string) {
		t.Helper()
		tab.Until(fmt.Sprintf("document.activeElement.closest('tr') && document.activeElement.textContent === %q", name))
	}
	tab.Until("document.querySelector('.entries tbody tr')")
	tab.Eval("document.querySelector('.entries tbody a').focus()")
	tab.Press("End")
	focused("zoo/")
	tab.Press("Enter")
	focused("deep/")
	tab.Press("Enter")
	focused("deeper/")
	tab.Press("Enter")
	focused("deepest")
	if way := tab.Eval("[...document.querySelectorAll('.crumbs li')].map((li) => li.textContent).join('|')"); way != "/|zoo|deep|deeper" {
		t.Errorf("the way is %q", way)
	}
	tab.Press("Backspace")
	focused("deeper/")
	tab.Press("Backspace")
	focused("deep/")
	tab.Press("Backspace") // it is not among the first names
	focused("zoo/")
	tab.Eval("history.back()")
	tab.Until("document.querySelectorAll('.crumbs li').length === 2")
}

// TestFilesOfAnother: to who does not run motefs the page says why it shows no files.
func TestFilesOfAnother(t *testing.T) {
	s := serve(t, openStore(t))
	far := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.RemoteAddr = "192.0.2.1:99"
		s.page.ServeHTTP(w, r)
	}))
	t.Cleanup(far.Close)
	tab := pagetest.Start(t).Open(far.URL+"/", pagetest.Phone)
	tab.Excuse("403")
	tab.Outlives()
	tab.Until("document.querySelector('.tile-listed b').textContent === '1,000'")
	for _, view := range []string{"files/1", "failures"} {
		tab.Eval("location.hash = '#/" + view + "'")
		tab.Until("document.querySelector('section:not([hidden]) .said').textContent.includes('only to the user who runs motefs')")
		fits(t, tab)
	}
	t.Cleanup(far.CloseClientConnections)
}

// TestChartSteps: rows become the rates of steps.
func TestChartSteps(t *testing.T) {
	s := serve(t, openStore(t))
	tab := pagetest.Start(t).Open(s.URL, pagetest.Desktop)
	got := tab.Await(`import("./chart.js").then((c) => {
		const rows = [];
		for (let t = 100; t <= 112; t++) rows.push([t, t < 106 ? 10 * (t - 100) : 60 + 30 * (t - 106), t === 104 ? null : t]);
		const all = c.over(rows, 0, 101, 3, (before, part) => [part.at(-1)[0], c.rate(before, part, 0, 1), c.middle(part, 2), c.most(part, 2)]);
		const fell = c.over([[0, 9], [1, 3], [2, 3], [3, 3]], 0, 0, 3, (before, part) => [c.rate(before, part, 0, 1)]);
		const none = c.over([], 0, 0, 3, () => [1]);
		return JSON.stringify([all, fell, none]);
	})`)
	// 101 | 102 103 104 | 105 106 107 | 108 109 110 | 111 112: steps end before what 3 divides.
	want := `[[[101,104,107,110,112],[10,10,16.666666666666668,30,30],[101,103,106,109,112],[101,103,107,110,112]],[[null]],[]]`
	if got != want {
		t.Errorf("%s, want\n%s", got, want)
	}
}

// TestFirstEvent: a browser that is there from the first sample on learns what its fields are.
func TestFirstEvent(t *testing.T) {
	s := serve(t, openStore(t))
	tab := pagetest.Start(t).Open(s.URL, pagetest.Desktop)
	tab.Await(`import("./live.js").then(async (m) => {
		const past = await m.get("api/history");
		window.first = new m.Live(() => {}, () => {});
		first.watch = () => {};
		first.take({ process: past.process, number: 1, sample: past.rows[0], status: {} });
	})`)
	tab.Until("first.fields.at === 0 && first.rows.length > 0 && first.last === first.rows.length")
}

// TestTexts: how numbers are written.
func TestTexts(t *testing.T) {
	s := serve(t, openStore(t))
	tab := pagetest.Start(t).Open(s.URL, pagetest.Desktop)
	for expression, want := range map[string]string{
		"count(1234567)": "1,234,567", "count(null)": "–", "bytes(1023)": "1,023 B", "bytes(1536)": "1.5 KiB", "bytes(2 ** 40)": "1.0 TiB",
		"bytes(300 * 2 ** 20)": "300 MiB", "short(999)": "999", "short(544321)": "544k", "short(1.5e9)": "1.5G", "percent(1, 3)": "33.3\u00a0%",
		"percent(999999, 1000000)": "99.9\u00a0%", "percent(3, 3)": "100.0\u00a0%", "percent(0, 0)": "–", "seconds(0.0000021)": "2.1 µs",
		"seconds(0.25)": "250 ms", "seconds(2.5)": "2.5 s", "span(59)": "59 s", "span(61)": "1 min 1 s", "span(7260)": "2 h 1 min", "span(200000)": "2 d 7 h",
		`plain("a\u202eb\x07\n\u00a0 c")`: `a\u202eb\x07\x0a\xa0 c`,
	} {
		if got := tab.Await(`import("./text.js").then(({ count, bytes, short, percent, seconds, span, plain }) => ` + expression + `)`); got != want {
			t.Errorf("%s is %q, want %q", expression, got, want)
		}
	}
}

// hostileNames are names as an origin may have them; TestHostileNames looks at each.
var hostileNames = []string{
	`<img src=x onerror="document.title='broken'">`,
	"<script>document.title='broken'<\\script>",
	"javascript:document.title='broken'",
	"bell\x07 and escape\x1b[31m and newline\n",
	"right-to-left \u202etxt.exe",
	"isolate \u2066\u2067x",
	"zero\u200bwidth\ufeff",
	"not UTF-8 \xff\xfe\x80",
	" spaces on both sides ",
	strings.Repeat("n", 255),
	strings.Repeat("\U0001f600", 63),
	strings.Repeat("a\u0301\u0302\u0303", 30),
	"שלום",
	"100%", "%%", "?open=x#y&z", `"'` + "`", "{{7*7}}", "…",
}

func TestHostileNames(t *testing.T) {
	store := openStore(t)
	content := `<img src="http://elsewhere.test/x" onerror="document.title='broken'"><script>document.title='broken'</script>` + "\n\u202etxt\x1b[0m\n"
	list(t, store, hostileNames, put(func(name string) string { return name + "\n" + content }))
	list(t, store, []string{"dir \u202e<b>/</b>x"}, put(func(string) string { return "in a directory" }))
	s := serve(t, store)
	s.source.set(func(status map[string]any, _ *Meters) {
		status["last_error"] = "get \u202e<img src=x onerror=\"document.title='broken'\">: \x1b]0;broken\x07"
		status["origin"] = "http://<b>origin</b>\u202e.test"
		status["state"] = "complete"
	})
	eachView(t, func(t *testing.T, b *pagetest.Browser, v pagetest.View) {
		tab := b.Open(s.URL+"/#/files/1", v)
		rows := "document.querySelectorAll('.entries tbody tr')"
		tab.Until(rows + fmt.Sprintf(".length === %d", len(hostileNames)+1))
		fits(t, tab)
		picture(tab, v, "hostile")
		entries := 0
		if err := store.ReadNames(cache.RootInode, "", func(name []byte, e cache.Entry, _ error) bool {
			want := shown(string(name)).String()
			if e.Kind == cache.Dir {
				want += "/"
			}
			if got := tab.Eval(fmt.Sprintf("%s[%d].querySelector('a').textContent", rows, entries)); got != want {
				t.Errorf("%q is shown as %q, want %q", name, got, want)
			}
			if e.Kind == cache.File {
				tab.Eval(fmt.Sprintf("%s[%d].querySelector('a').click()", rows, entries))
				tab.Until(fmt.Sprintf("document.querySelector('.preview h2').textContent === %q && !document.querySelector('.preview').hidden", want))
				tab.Until("document.querySelector('.preview pre').textContent.includes('elsewhere.test') || document.querySelector('.preview pre.hex')")
				if entries == 0 {
					fits(t, tab)
					picture(tab, v, "preview")
				}
			}
			entries++
			return true
		}); err != nil {
			t.Fatal(err)
		}
		for _, what := range []string{"document.querySelectorAll('main img[src=x], main script, main b b').length", "Number(document.title.includes('broken'))"} {
			if n := tab.Eval(what); n != "0" {
				t.Errorf("%s is %s: a name or a content became markup", what, n)
			}
		}
		if bad := tab.Eval(`/[\p{Cc}\p{Cf}]/u.test(document.body.innerText.replace(/[\n\t]/g, ""))`); bad != "false" {
			t.Error("a control character is in the page")
		}
		tab.Eval("location.hash = '#/'")
		tab.Until("document.querySelector('#overview').innerText.includes('<img src=x')")
		if bad := tab.Eval(`/[\p{Cc}\p{Cf}]/u.test(document.body.innerText.replace(/[\n\t]/g, ""))`); bad != "false" {
			t.Error("a control character is in the overview")
		}
	})
}
