package web_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"sourire/hub/live"
	"sourire/internal/browsertest"
)

// complaints gathers what a browser finds wrong with pages.
type complaints struct {
	mu   sync.Mutex
	list []string
}

func (c *complaints) hear(ctx context.Context, t *testing.T) {
	t.Helper()
	err := chromedp.Listen(ctx, func(ev any) {
		c.mu.Lock()
		defer c.mu.Unlock()
		switch e := ev.(type) {
		case *runtime.EventExceptionThrown:
			c.list = append(c.list, e.ExceptionDetails.Text)
		case *runtime.EventConsoleAPICalled:
			c.list = append(c.list, fmt.Sprintf("console: %s", e.Type))
		case *log.EventEntryAdded:
			c.list = append(c.list, e.Entry.Text+" "+e.Entry.URL)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (c *complaints) check(t *testing.T, where string) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, x := range c.list {
		t.Errorf("%s: %s", where, x)
	}
	c.list = nil
}

// artefacts returns where pictures of pages go.
func artefacts(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("SOURIRE_ARTEFACTS")
	if dir == "" {
		dir = t.TempDir()
	}
	dir = filepath.Join(dir, "pages")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// furnished returns a hub with a month of three touchpoints, one of them behind
// and with bad records, and two sites more, one new.
func furnished(t *testing.T) *hub {
	h := newHub(t, nil)
	k1 := h.kiosk("k1", asked("exit", "smiley4"), 40)
	h.month(k1, 4, 1, 40)
	for i := range 9 { // a child
		k1.Press(h.at().Add(time.Duration(i)*300*time.Millisecond-time.Minute), 1+3*(i%2))
	}
	k1.Send()
	h.seen(k1, true, 0, time.Second)
	k2 := h.kiosk("k2", asked("tills", "smiley5"), 12)
	h.month(k2, 5, 1, 12)
	h.presses(k2, 99, 99, 99) // no such face
	h.seen(k2, false, 14, 3*time.Hour)
	k3 := h.kiosk("k3", asked("recommend", "nps"), 1)
	h.presses(k3, 10, 9, 3, 10, 10, 6)
	h.seen(k3, true, 0, 20*time.Second)
	nice := asked("welcome", "smiley3")
	nice.Site = "nice"
	k4 := h.kiosk("k4", nice, 3)
	h.month(k4, 3, 0, 3)
	h.seen(k4, true, 0, time.Second)
	opened := asked("welcome", "smiley3")
	opened.Site = "oslo"
	k5 := h.kiosk("k5", opened, 0)
	h.presses(k5, 2, 2, 2, 1, 0, 2, 2, 2, 2, 2)
	h.seen(k5, true, 0, time.Second)
	h.get("/site/oslo") // shown; then two more, which are not
	k5.Press(h.at(), 2)
	k5.Press(h.at().Add(5*time.Second), 2)
	k5.Send()
	return h
}

// beyond names the elements that stick out of a page to the right.
const beyond = `Array.from(document.querySelectorAll("main *")).
	filter(e => e.getBoundingClientRect().right > window.innerWidth + 1 && !e.closest(".wide")).
	map(e => e.tagName + "." + e.className).join(" ")`

// targets names what is too small for a finger.
const targets = `Array.from(document.querySelectorAll("a:not(.skip), button, summary")).
	map(e => [e, e.getBoundingClientRect()]).
	filter(([e, r]) => r.width > 0 && (r.height < 43.5 || r.width < 43.5)).
	map(([e, r]) => e.textContent.trim() + " " + r.width + "×" + r.height).slice(0, 5).join("; ")`

// see returns what an action finds.
func see[T any](ctx context.Context, t *testing.T, a chromedp.Action[T]) T {
	t.Helper()
	v, err := chromedp.Run(ctx, a)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// screen is one way of looking at a page.
type screen struct {
	width, height int64
	theme, lang   string
}

func TestBrowser_pages(t *testing.T) {
	full := furnished(t)
	server := httptest.NewServer(full.pages)
	defer server.Close()
	defer full.board.Close() // ends live pages, for which Close would wait
	refusing := newHub(t, nil)
	refusing.full.Store(true)
	refusing.presses(refusing.kiosk("k1", asked("exit", "smiley4"), 0), 4, 4, 4, 3, 1, 4)
	stuck := httptest.NewServer(refusing.pages)
	defer stuck.Close()
	defer refusing.board.Close()
	bare := newHub(t, nil)
	empty := httptest.NewServer(bare.pages)
	defer empty.Close()
	defer bare.board.Close()
	ctx := browsertest.Start(t)
	dir := artefacts(t)
	var heard complaints
	heard.hear(ctx, t)
	pages := map[string]string{
		"sites": server.URL + "/", "site": server.URL + "/site/lyon", "yesterday": server.URL + "/site/lyon?day=2026-08-02",
		"details": server.URL + "/site/lyon", "empty": empty.URL + "/site/lyon",
		"new": server.URL + "/site/oslo", "refusing": stuck.URL + "/site/lyon", "refusing-sites": stuck.URL + "/",
	}
	for _, s := range []screen{{800, 1130, "print", "fr"}, {390, 844, "light", "fr"}, {390, 844, "dark", "en"}, {1280, 800, "light", "en"}, {1280, 800, "dark", "fr"}} {
		for name, address := range pages {
			where := fmt.Sprintf("%s-%s-%s-%d", name, s.lang, s.theme, s.width)
			sep := "?"
			if strings.Contains(address, "?") {
				sep = "&"
			}
			media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: s.theme}}}
			if s.theme == "print" {
				media = emulation.SetEmulatedMediaParams{Media: "print"}
			}
			if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, media); err != nil {
				t.Fatalf("%s: %v", where, err)
			}
			if err := chromedp.Do(ctx, chromedp.EmulateViewport(s.width, s.height), chromedp.Navigate(address+sep+"lang="+s.lang)); err != nil {
				t.Fatalf("%s: %v", where, err)
			}
			if name == "details" {
				see(ctx, t, chromedp.Evaluate[bool](`document.querySelectorAll("details").forEach(d => d.open = true) === undefined`))
			}
			wide := see(ctx, t, chromedp.Evaluate[string](`document.documentElement.scrollWidth + " of " + window.innerWidth`))
			small := see(ctx, t, chromedp.Evaluate[string](targets))
			if small != "" {
				t.Errorf("%s: under 44 pixels: %s", where, small)
			}
			outside := see(ctx, t, chromedp.Evaluate[string](beyond))
			picture := see(ctx, t, chromedp.FullScreenshot(100))
			if want := fmt.Sprintf("%d of %d", s.width, s.width); wide != want || outside != "" {
				t.Errorf("%s overflows: %s %s", where, wide, outside)
			}
			heard.check(t, where)
			if err := os.WriteFile(filepath.Join(dir, where+".png"), picture, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if os.Getenv("SOURIRE_ARTEFACTS") != "" {
		t.Logf("pictures in %s", dir)
	}
}

// A page moves by itself: life within a second of a press, the score after five;
// it says so when the hub is gone and goes on when it is back.
func TestBrowser_live(t *testing.T) {
	h := newHub(t, nil)
	k := h.kiosk("k1", asked("exit", "smiley3"), 0)
	h.presses(k, 2, 2, 2, 2, 0)
	var gone atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if gone.Load() {
			panic(http.ErrAbortHandler)
		}
		h.pages.ServeHTTP(w, r)
	}))
	defer server.Close()
	defer h.board.Close() // ends live pages, for which Close would wait
	ctx := browsertest.Start(t)
	var heard complaints
	heard.hear(ctx, t)
	await := func(what, expression string, limit time.Duration) time.Duration {
		t.Helper()
		began := time.Now()
		_, err := chromedp.Run(ctx, chromedp.Poll[bool](expression, chromedp.WithPollingTimeout(limit), chromedp.WithPollingInterval(10*time.Millisecond)))
		if err != nil {
			t.Fatalf("%s: %v\n%s", what, err, see(ctx, t, chromedp.Evaluate[string](`document.querySelector("main").innerText`)))
		}
		return time.Since(began)
	}
	if err := chromedp.Do(ctx, chromedp.Navigate(server.URL+"/site/lyon")); err != nil {
		t.Fatal(err)
	}
	await("live", `document.getElementById("link").dataset.state === "live"`, 10*time.Second)
	score := `document.querySelector(".score data").value`
	await("score", score+` === "0.80"`, time.Second)
	await("a table is opened", `(document.getElementById("how-0").open = true)`, time.Second)
	press := func(rating int) {
		h.pass(20 * time.Second)
		h.presses(k, rating)
		h.board.Publish(live.News{At: h.at()})
	}
	for n := 6; n <= 9; n++ {
		press(0)
		took := await("a press", fmt.Sprintf(`document.getElementById("stored").value === "%d"`, n), time.Second)
		t.Logf("press %d shown after %v", n, took.Round(time.Millisecond))
	}
	await("the score of five", score+` === "0.80"`, time.Second)
	press(0)
	took := await("the score of ten", score+` === "0.40"`, time.Second)
	t.Logf("score moved after %v", took.Round(time.Millisecond))
	await("the table is still open", `document.getElementById("how-0").open`, time.Second)
	heard.check(t, "live")
	gone.Store(true)
	server.CloseClientConnections()
	await("paused", `document.getElementById("link").textContent === "Live updates paused"`, 10*time.Second)
	press(2)
	gone.Store(false)
	await("live again", `document.getElementById("link").dataset.state === "live"`, 30*time.Second)
	await("what came meanwhile", `document.getElementById("stored").value === "11"`, time.Second)
}
