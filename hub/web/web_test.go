package web_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/html"

	"sourire/hub/fleet"
	"sourire/hub/ingest"
	"sourire/hub/insight"
	"sourire/hub/live"
	"sourire/hub/site"
	"sourire/hub/store/sqlstore"
	"sourire/hub/store/storetest"
	"sourire/hub/web"
	"sourire/internal/feedback"
)

// hub is a hub without network: presses go in by a real ingester into a real
// store, pages come out.
type hub struct {
	t      testing.TB
	store  *sqlstore.Store
	g      *ingest.Ingester
	board  *live.Board
	passed atomic.Int64 // since the first instant
	full   atomic.Bool  // the store refuses writes
	pages  http.Handler
}

func (h *hub) writes() error {
	if h.full.Load() {
		return errors.New("disk full")
	}
	return nil
}

// shelf is a hub's store as the read model has it.
type shelf struct {
	insight.Store
	h *hub
}

func (s shelf) Publish(ctx context.Context, moves ...insight.Move) ([]bool, error) {
	if err := s.h.writes(); err != nil {
		return nil, err
	}
	return s.Store.Publish(ctx, moves...)
}

func newHub(t testing.TB, wrap func(web.Reader) web.Reader) *hub {
	t.Helper()
	h := &hub{t: t, board: live.New(0)}
	var err error
	if h.store, err = sqlstore.Open(context.Background(), filepath.Join(t.TempDir(), "hub.db")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		h.board.Close()
		_ = h.store.Close()
	})
	clock := h.at
	h.g = storetest.Ingester(t, h.store, clock)
	in := insight.New(shelf{h.store, h}, insight.Options{Now: clock})
	lyon, err := site.New("lyon", "Lyon Part-Dieu", "Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Configure(context.Background(), []site.Site{lyon}); err != nil {
		t.Fatal(err)
	}
	var reader web.Reader = in
	if wrap != nil {
		reader = wrap(in)
	}
	s, err := web.New(web.Options{
		Insight: reader, Live: h.board, Writes: h.writes,
		Log: slog.New(slog.DiscardHandler), Heartbeat: 100 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	h.pages = s.Handler()
	return h
}

// at tells the time, which stands until it is made to pass.
func (h *hub) at() time.Time {
	return time.Date(2026, 8, 3, 12, 30, 0, 0, time.UTC).Add(time.Duration(h.passed.Load()))
}

func (h *hub) pass(d time.Duration) { h.passed.Add(int64(d)) }

func asked(touchpoint, scale string) feedback.Asked {
	return feedback.Asked{Site: "lyon", Touchpoint: feedback.TouchpointID(touchpoint), Survey: "welcome", Scale: feedback.ScaleID(scale)}
}

// kiosk returns one that has run for some days and asks.
func (h *hub) kiosk(id string, a feedback.Asked, days int) *storetest.Kiosk {
	h.t.Helper()
	boot := h.at().Add(-time.Duration(days)*24*time.Hour - 5*time.Hour)
	k := storetest.NewKiosk(h.t, h.g, feedback.KioskID(id), boot)
	k.Asks(boot, a)
	return k
}

// month presses a kiosk through days of a plausible shop, more or fewer ratings
// on each, and today until now.
func (h *hub) month(k *storetest.Kiosk, steps, lowest, days int) {
	h.t.Helper()
	seed := uint32(len(k.ID)) + uint32(k.ID[len(k.ID)-1])
	random := func(n uint32) int { // a linear congruence: the same month each time
		seed = seed*1664525 + 1013904223
		return int(seed >> 8 % n)
	}
	for d := days; d >= 0; d-- {
		at := h.at().Add(-time.Duration(d)*24*time.Hour - 4*time.Hour)
		if d%7 == 5 { // closed but for a few
			for range 3 {
				k.Press(at, lowest+steps-1)
				at = at.Add(time.Minute)
			}
			continue
		}
		good := 62 + random(22)
		for range 40 + random(60) {
			rating := lowest + steps - 1
			if steps > 3 {
				rating -= random(2)
			}
			if random(100) > good {
				rating = lowest + random(uint32(steps))
			}
			k.Press(at, min(rating, lowest+steps-1))
			at = at.Add(time.Duration(60+random(90)) * time.Second)
		}
	}
	k.Send()
}

// presses makes presses ten seconds apart, until a moment ago.
func (h *hub) presses(k *storetest.Kiosk, ratings ...int) {
	h.t.Helper()
	at := h.at().Add(-time.Duration(len(ratings)) * 10 * time.Second)
	for _, r := range ratings {
		k.Press(at, r)
		at = at.Add(10 * time.Second)
	}
	k.Send()
}

func (h *hub) seen(k *storetest.Kiosk, online bool, queued int64, ago time.Duration) {
	h.t.Helper()
	err := h.store.PutSightings(context.Background(), []fleet.Sighting{{
		Kiosk: k.ID, Session: 1, Online: online, Version: "1.0", Epoch: k.Epoch, Next: k.Next() + feedback.Seq(queued),
		Queued: queued, HeardAt: h.at().Add(-ago), LastAt: h.at().Add(-ago),
	}})
	if err != nil {
		h.t.Fatal(err)
	}
}

// answer is a parsed page.
type answer struct {
	status int
	header http.Header
	body   string
	root   *html.Node
}

func (h *hub) get(address string, header ...string) answer {
	h.t.Helper()
	r := httptest.NewRequest(http.MethodGet, address, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.pages.ServeHTTP(w, r)
	a := answer{status: w.Code, header: w.Result().Header, body: w.Body.String()}
	var err error
	if a.root, err = html.Parse(strings.NewReader(a.body)); err != nil {
		h.t.Fatal(err)
	}
	for _, bad := range []string{"⟦", "<no value>", "NaN", "Inf", "ZgotmplZ", "%!"} {
		if strings.Contains(a.body, bad) {
			i := strings.Index(a.body, bad)
			h.t.Errorf("%s holds %q: …%s…", address, bad, a.body[max(0, i-80):min(len(a.body), i+80)])
		}
	}
	return a
}

// find returns the first node under n that is a match.
func find(n *html.Node, match func(*html.Node) bool) *html.Node {
	for c := range n.Descendants() {
		if c.Type == html.ElementNode && match(c) {
			return c
		}
	}
	return nil
}

func attr(n *html.Node, name string) string {
	if n == nil {
		return ""
	}
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func (a answer) id(id string) *html.Node {
	return find(a.root, func(n *html.Node) bool { return attr(n, "id") == id })
}

func (a answer) class(class string) *html.Node {
	return find(a.root, func(n *html.Node) bool {
		for _, c := range strings.Fields(attr(n, "class")) {
			if c == class {
				return true
			}
		}
		return false
	})
}

func text(n *html.Node) string {
	if n == nil {
		return ""
	}
	var b strings.Builder
	for c := range n.Descendants() {
		if c.Type == html.TextNode {
			b.WriteString(c.Data)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

func (a answer) wants(t testing.TB, status int, texts ...string) {
	t.Helper()
	if a.status != status {
		t.Errorf("got status %d, want %d", a.status, status)
	}
	all := text(a.root)
	for _, x := range texts {
		if !strings.Contains(all, x) {
			t.Errorf("%q is not in %s", x, all)
		}
	}
}

func TestServer_states(t *testing.T) {
	h := newHub(t, nil)
	h.get("/").wants(t, 200, "Lyon Part-Dieu", "No ratings today", "No press yet")
	h.get("/site/lyon").wants(t, 200, "No press yet", "No kiosk has reported", "not known")
	h.get("/site/oslo").wants(t, 404, "There is no such site", "oslo")
	h.get("/site/%3Cscript%3E?lang=fr").wants(t, 404, "Ce site n’existe pas", "<script>")
	h.get("/elsewhere/entirely").wants(t, 404, "There is no such page")
	k := h.kiosk("k1", asked("exit", "smiley4"), 0)
	h.presses(k, 4, 4, 1)
	few := h.get("/site/lyon")
	few.wants(t, 200, "Too few", "So far there are 3.", "3 ratings + 0 repeats + 0 set aside = 3 presses")
	if few.class("steps") != nil || strings.Contains(text(few.id("figures")), "67%") {
		t.Error("a figure of three ratings is shown")
	}
	h.get("/").wants(t, 200, "too few")
	h.seen(k, false, 2, time.Hour)
	h.get("/site/lyon").wants(t, 200, "not connected", "Waiting on kiosks2 perhaps from earlier days", "Presses today, stored3")
	h.get("/").wants(t, 200, "1 kiosk not connected", "2 presses wait on kiosks", "Last press 14:29", "too few 3 ratings")
	h.get("/site/lyon?day=2026-13-10").wants(t, 200, "That address names no day of the calendar")
	h.get("/site/lyon?day=2031-01-01").wants(t, 200, "That day has not come yet")
	h.full.Store(true)
	h.get("/site/lyon").wants(t, 200, "The hub cannot write.")
	h.get("/healthz").wants(t, 503, "refuses")
	h.full.Store(false)
	h.get("/healthz").wants(t, 200, "ok")
}

// broken is a read model whose store cannot be read.
type broken struct{ web.Reader }

func (broken) Sites(context.Context) ([]insight.Summary, error) {
	return nil, errors.New("no such table: secret")
}

func (broken) Site(context.Context, feedback.SiteID, site.Day) (insight.View, error) {
	panic("secret")
}

func TestServer_failures(t *testing.T) {
	h := newHub(t, func(r web.Reader) web.Reader { return broken{r} })
	for _, at := range []string{"/", "/site/lyon"} {
		a := h.get(at, "Accept-Language", "fr")
		a.wants(t, 500, "Cette page ne peut pas être affichée")
		if strings.Contains(a.body, "secret") {
			t.Error("the page tells what broke")
		}
	}
}

func TestServer_figures(t *testing.T) {
	h := newHub(t, nil)
	k := h.kiosk("k1", asked("exit", "smiley4"), 0)
	// Known answer of measures.md: 85 of 100 is 76.7 to 90.7 %.
	ratings := make([]int, 100)
	for i := range ratings {
		ratings[i] = 4
		if i >= 85 {
			ratings[i] = 1
		}
	}
	h.presses(k, ratings...)
	a := h.get("/site/lyon")
	a.wants(t, 200, "85% positive", "between 77% and 91%", "100 ratings", "85 ÷ 100 = 85.0%", "gives 76.7% to 90.7%",
		"φ is not known yet", "100 ratings + 0 repeats + 0 set aside = 100 presses")
	if v := attr(find(a.class("score"), func(n *html.Node) bool { return n.Data == "data" }), "value"); v != "0.85" {
		t.Errorf("share: got %q", v)
	}
	fr := h.get("/site/lyon", "Accept-Language", "fr-FR,fr;q=0.9,en;q=0.5")
	fr.wants(t, 200, "Aujourd’hui lundi 3 août 2026", "entre 77 % et 91 %", "100 réponses", "de 76,7 % à 90,7 %")
	if strings.Contains(strings.ToLower(text(fr.root)+text(a.root)), " visits +") {
		t.Error("ratings are called visits")
	}
	// Repeats and what is set aside add up beside them.
	at := h.at()
	for range 3 {
		k.Press(at, 4)
		at = at.Add(time.Second)
	}
	k.Record(at.Add(time.Minute), feedback.Test{On: true})
	k.Press(at.Add(2*time.Minute), 1)
	k.Record(at.Add(3*time.Minute), feedback.Test{On: false})
	for i := range 4 {
		k.Press(at.Add(time.Duration(4+i)*time.Minute), 1)
	}
	k.Send()
	h.pass(10 * time.Minute)
	a = h.get("/site/lyon")
	for id, want := range map[string]string{
		"total-ratings": "105", "total-repeats": "2", "total-aside": "1", "total-presses": "108", "stored": "108",
	} {
		if got := attr(a.id(id), "value"); got != want {
			t.Errorf("%s: got %s, want %s", id, got, want)
		}
	}
	a.wants(t, 200, "commissioning test: 1 turn", "1 rating comes from a visitor who pressed one face again and again.")
}

// Whatever moves when, what is shown and what is not are what is stored; a
// store that refuses is not called too few ratings.
func TestServer_sumIsWhatIsStored(t *testing.T) {
	h := newHub(t, nil)
	k := h.kiosk("k1", asked("exit", "smiley3"), 0)
	value := func(a answer, id string) string { return attr(a.id(id), "value") }
	h.full.Store(true)
	h.presses(k, 2, 2, 2, 2, 2, 2)
	a := h.get("/site/lyon")
	a.wants(t, 200, "No figure right now", "Presses shown= 0", "Not shown yet+ 6", "figures stand still", "Presses stored= 6", "6 of them not shown yet")
	if s := text(a.root); strings.Contains(s, "Too few") || strings.Contains(s, "has enough ratings") {
		t.Errorf("too few is said of %s", s)
	}
	h.get("/").wants(t, 200, "not available now")
	h.full.Store(false)
	a = h.get("/site/lyon")
	if value(a, "total-presses") != "6" || value(a, "stored") != "6" || a.id("rest-more") != nil {
		t.Errorf("the store takes writes again: got %s", text(a.root))
	}
	h.pass(time.Minute)
	h.presses(k, 0, 0, 0)
	a = h.get("/site/lyon?lang=fr")
	a.wants(t, 200, "Pas encore montrés+ 3", "les chiffres bougent d’au moins 5 réponses", "dont 3 pas encore montrés")
	if value(a, "total-presses") != "6" || value(a, "rest-more") != "3" || value(a, "rest-stored") != value(a, "stored") || value(a, "stored") != "9" {
		t.Errorf("got %s", text(a.root))
	}
	h.full.Store(true)
	h.pass(time.Minute)
	h.presses(k, 0, 0)
	h.get("/site/lyon").wants(t, 200, "This figure stands still", "Not shown yet+ 5")
}

// corrected is a read model that still shows two presses which are of another
// day by now.
type corrected struct{ web.Reader }

func (r corrected) Site(ctx context.Context, id feedback.SiteID, day site.Day) (insight.View, error) {
	v, err := r.Reader.Site(ctx, id, day)
	v.Life.Stored -= 2
	return v, err
}

func TestServer_sumAfterACorrection(t *testing.T) {
	h := newHub(t, func(r web.Reader) web.Reader { return corrected{r} })
	h.presses(h.kiosk("k1", asked("exit", "smiley3"), 0), 2, 2, 2, 2, 2)
	h.get("/site/lyon").wants(t, 200, "Presses shown= 5", "No longer of this day− 2", "Presses stored= 3", "2 more are still shown")
	h.get("/site/lyon?lang=fr").wants(t, 200, "Sortis de ce jour− 2", "2 de plus sont encore montrés")
}

func TestServer_badRecords(t *testing.T) {
	h := newHub(t, nil)
	k := h.kiosk("k1", asked("exit", "smiley3"), 0)
	h.presses(k, 2, 2, 2)
	if s := text(h.get("/site/lyon").root); strings.Contains(strings.ToLower(s), "unreadable") {
		t.Errorf("nothing is bad: got %s", s)
	}
	h.presses(k, 9)
	h.get("/site/lyon").wants(t, 200, "1 record of a kiosk here could not be read. It is kept", "Unreadable", "a later version")
	h.presses(k, 9)
	h.get("/site/lyon?lang=fr").wants(t, 200, "2 enregistrements des bornes d’ici n’ont pas pu être lus", "Illisibles")
	h.get("/site/lyon?day=2026-08-02").wants(t, 200, "Unreadable")
	h.get("/").wants(t, 200, "2 unreadable records")
}

func TestServer_manySteps(t *testing.T) {
	h := newHub(t, nil)
	k := h.kiosk("k1", asked("exit", "nps"), 0)
	h.presses(k, 10, 10, 10, 9, 6, 2)
	a := h.get("/site/lyon")
	a.wants(t, 200, "≈ 67% positive", "Rough estimate: between", "positive 9–10 67% 4", "neutral 7–8 0% 0", "negative 0–6 33% 2")
	if first := find(a.class("columns"), func(n *html.Node) bool { return n.Data == "li" }); text(first) != "00" {
		t.Errorf("the first column: got %q, want step 0 with none", text(first))
	}
	// A day that is over does not speak of steps of five; one day alone has its
	// interval.
	h.pass(24 * time.Hour)
	a = h.get("/site/lyon?day=2026-08-03")
	if s := text(a.root); strings.Contains(s, "at a time") || a.class("bar") == nil || a.class("hole") != nil {
		t.Errorf("got %s", s)
	}
}

func TestServer_languageIsRemembered(t *testing.T) {
	h := newHub(t, nil)
	a := h.get("/site/lyon?lang=fr&day=2026-08-01")
	cookie := a.header.Get("Set-Cookie")
	if !strings.HasPrefix(cookie, "sourire_lang=fr;") || !strings.Contains(cookie, "HttpOnly") || !strings.Contains(cookie, "SameSite=Lax") {
		t.Errorf("cookie: got %q", cookie)
	}
	a.wants(t, 200, "samedi 1er août 2026")
	english := find(a.root, func(n *html.Node) bool { return attr(n, "hreflang") == "en" })
	if got := attr(english, "href"); got != "/site/lyon?day=2026-08-01&lang=en" {
		t.Errorf("link to English: got %q", got)
	}
	b := h.get("/", "Cookie", "sourire_lang=fr", "Accept-Language", "en")
	b.wants(t, 200, "Aucune réponse aujourd’hui")
	if b.header.Get("Set-Cookie") != "" {
		t.Error("the cookie is set again")
	}
	if got := attr(find(b.root, func(n *html.Node) bool { return n.Data == "html" }), "lang"); got != "fr" {
		t.Errorf("lang: got %q", got)
	}
	h.get("/?lang=tlh").wants(t, 200, "No ratings today")
}

func TestServer_guards(t *testing.T) {
	h := newHub(t, nil)
	a := h.get("/site/lyon")
	csp := a.header.Get("Content-Security-Policy")
	if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || a.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("got %q", csp)
	}
	for n := range a.root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		if n.Data == "style" || attr(n, "style") != "" || n.Data == "script" && attr(n, "src") == "" {
			t.Errorf("a %s inside the page", n.Data)
		}
		for _, at := range n.Attr {
			if strings.HasPrefix(at.Key, "on") || at.Key != "xmlns" && strings.Contains(at.Val, "://") {
				t.Errorf("%s %s=%q", n.Data, at.Key, at.Val)
			}
		}
	}
	for _, n := range []string{attr(find(a.root, func(n *html.Node) bool { return n.Data == "script" }), "src"), "/assets/nothing.js", "/assets/app.js"} {
		f := h.get(n)
		hashed := strings.Count(n, ".") == 2
		if hashed != (f.status == 200) || hashed != strings.Contains(f.header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: status %d, %s", n, f.status, f.header.Get("Cache-Control"))
		}
	}
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("x"))
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	w := httptest.NewRecorder()
	h.pages.ServeHTTP(w, r)
	if w.Code != http.StatusForbidden {
		t.Errorf("a post from another site: got %d", w.Code)
	}
	_, _ = io.Copy(io.Discard, w.Result().Body)
}
