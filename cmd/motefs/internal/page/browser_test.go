package page

import (
	"flag"
	"fmt"
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

// TestPagesThroughManyNames pages through 100,000 names by keyboard alone, and back.
func TestPagesThroughManyNames(t *testing.T) {
	const files = 100_000
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
			last := files - maxEntries
			if v.Width < 500 { // some of it, as each page takes time
				last = 5 * maxEntries
			}
			for at := maxEntries; at <= last; at += maxEntries {
				tab.Press("PageDown")
				focused(fmt.Sprintf("file-%06d", at))
			}
			if last+maxEntries == files {
				tab.Press("PageDown")
				focused("file-099999")
			}
			tab.Press("PageUp")
			focused(fmt.Sprintf("file-%06d", last-maxEntries))
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
			focused("file-099999")
			tab.Press("/")
			tab.Press(strings.Split("file-054321", "")...)
			tab.Press("Enter")
			focused("file-054321")
			fits(t, tab)
		})
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
