package web_test

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sourire/hub/live"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// event is one server-sent event.
type event struct{ name, id, data string }

// listen opens a live page and returns its events; the channel closes with it.
func (h *hub) listen(ctx context.Context, t *testing.T, server *httptest.Server, query, last string) <-chan event {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/site/lyon/events"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	resp, err := server.Client().Do(r) //nolint:bodyclose // closed by the goroutine below
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("got status %d, %s", resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	out := make(chan event, 100)
	go func() {
		defer close(out)
		defer resp.Body.Close()
		var e event
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			name, value, _ := strings.Cut(lines.Text(), ": ")
			switch name {
			case "event":
				e.name = value
			case "id":
				e.id = value
			case "data", "data:": // the second is empty
				e.data += value + "\n"
			case "":
				out <- e
				e = event{}
			}
		}
	}()
	return out
}

// next returns the next event of a name that holds a text.
func next(t *testing.T, events <-chan event, name, holds string) event {
	t.Helper()
	limit := time.After(10 * time.Second)
	for {
		select {
		case e, open := <-events:
			if !open {
				t.Fatalf("ended before %s with %q", name, holds)
			}
			if e.name == name && strings.Contains(e.data, holds) {
				return e
			}
		case <-limit:
			t.Fatalf("no event %s with %q", name, holds)
		}
	}
}

func TestServer_events(t *testing.T) {
	h := newHub(t, nil)
	k := h.kiosk("k1", asked("exit", "smiley3"), 0)
	h.presses(k, 2, 2, 2, 2, 0)
	ctx, stop := context.WithCancel(context.Background())
	server := httptest.NewUnstartedServer(h.pages)
	server.Start()
	defer server.Close()
	defer stop()
	events := h.listen(ctx, t, server, "?lang=fr", "")
	if e := next(t, events, "life", "Appuis du jour enregistrés"); !strings.Contains(e.data, `id="stored" value="5"`) {
		t.Errorf("life: got %s", e.data)
	}
	next(t, events, "service", "k1")
	first := next(t, events, "figures", "80\u00a0%")
	next(t, events, "beat", "")

	// Four more: life moves at once, figures do not.
	h.pass(time.Minute)
	h.presses(k, 0, 0, 0, 0)
	h.board.Publish(live.News{At: h.at()})
	next(t, events, "life", `id="stored" value="9"`)
	next(t, events, "rest", `id="rest-more" value="4"`)
	// The fifth moves them.
	h.pass(time.Minute)
	h.presses(k, 0)
	h.board.Publish(live.News{At: h.at()})
	second := next(t, events, "figures", "40\u00a0%")
	if first.id == "" || second.id == first.id || !strings.Contains(second.data, "10 réponses") {
		t.Errorf("figures: got %q after %q: %s", second.id, first.id, second.data)
	}

	next(t, events, "rest", "\n") // nothing is left
	// A store that refuses is named at once, and when it takes writes again.
	h.full.Store(true)
	next(t, events, "alarm", "Le hub ne peut pas écrire.")
	h.full.Store(false)
	next(t, events, "alarm", "\n")

	// Who comes back having seen them is not sent them again.
	again := h.listen(ctx, t, server, "?lang=fr&shown="+first.id, second.id)
	for {
		e := <-again
		if e.name == "figures" {
			t.Error("the figures were sent again")
		}
		if e.name == "beat" {
			break
		}
	}
	// When the news end, so do the pages, and no more are opened.
	h.board.Close()
	for range events {
	}
	for range again {
	}
	resp, err := server.Client().Get(server.URL + "/site/lyon/events")
	if err != nil || resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("after the end: got %v, %v", resp, err)
	}
	_ = resp.Body.Close()
}

func TestServer_eventsOfNoSite(t *testing.T) {
	h := newHub(t, nil)
	server := httptest.NewServer(h.pages)
	defer server.Close()
	resp, err := server.Client().Get(server.URL + "/site/oslo/events")
	if err != nil || resp.StatusCode != http.StatusNotFound {
		t.Errorf("got %v, %v", resp, err)
	}
	_ = resp.Body.Close()
}
