package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"sourire/hub/insight"
	"sourire/hub/live"
	"sourire/hub/site"
	"sourire/internal/feedback"
	"sourire/internal/i18n"
)

// atLeast is the least time between two looks at the store for one open page.
const atLeast = 200 * time.Millisecond

// stream is one open page of a site.
type stream struct {
	s     *Server
	w     http.ResponseWriter
	id    feedback.SiteID
	l     *i18n.Language
	sent  map[string][]byte // the last of each part
	shown string            // the version of the figures that the page shows
}

// events tells an open page what to show anew, as server-sent events, each a
// part of the page: "life", "service", "alarm" and "rest" whenever they differ,
// "figures" when they moved. It ends when the reader leaves, when the server stops, and when
// the news do.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	x := &stream{s: s, w: w, id: feedback.SiteID(r.PathValue("id")), l: s.language(w, r), sent: make(map[string][]byte)}
	// A browser that reconnects says which figures it was sent last.
	if x.shown = r.Header.Get("Last-Event-ID"); x.shown == "" {
		x.shown = r.URL.Query().Get("shown")
	}
	news, ok := s.live.Subscribe(ctx)
	if !ok {
		http.Error(w, "too many open pages", http.StatusServiceUnavailable)
		return
	}
	if _, err := s.insight.Life(ctx, x.id); errors.Is(err, insight.ErrUnknownSite) {
		http.Error(w, "no such site", http.StatusNotFound)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // a proxy must not hold events back
	if err := x.follow(ctx, news); err != nil && ctx.Err() == nil {
		s.log.Error("a live page ended", "site", x.id, "error", err)
	}
}

func (x *stream) follow(ctx context.Context, news <-chan live.News) error {
	beat := time.NewTicker(x.s.heartbeat)
	defer beat.Stop()
	for {
		if err := x.update(ctx); err != nil {
			return err
		}
		if !wait(ctx, atLeast) {
			return nil
		}
		for about := false; !about; {
			select {
			case <-ctx.Done():
				return nil
			case n, open := <-news:
				if !open {
					return nil
				}
				about = n.Of(x.id)
			case <-beat.C:
				if err := x.send("beat", "", []byte("-")); err != nil {
					return err
				}
				about = true
			}
		}
	}
}

// wait reports whether d passed before ctx was done.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// update sends the parts that differ from what was sent.
func (x *stream) update(ctx context.Context) error {
	life, err := x.s.insight.Life(ctx, x.id)
	if err != nil {
		return err
	}
	v := insight.View{}
	if life.Version != x.shown {
		if v, err = x.s.insight.Site(ctx, x.id, site.Day{}); err != nil {
			return err
		}
		life = v.Life
	}
	if err := x.part("life", "", lifeOf(x.l, life)); err != nil {
		return err
	}
	if err := x.part("service", "", serviceOf(x.l, life)); err != nil {
		return err
	}
	if err := x.part("alarm", "", life.Stuck || x.s.writes() != nil); err != nil {
		return err
	}
	if life.Version != x.shown {
		if err := x.part("figures", life.Version, figuresOf(x.l, v)); err != nil {
			return err
		}
		x.shown = life.Version
	}
	return x.part("rest", "", restOf(x.l, life)) // it stands inside the figures
}

// part sends a part of the page unless it is the same as before.
func (x *stream) part(name, version string, data any) error {
	var b bytes.Buffer
	if err := x.s.pages[x.l.Tag()]["site"].ExecuteTemplate(&b, name, data); err != nil {
		return err
	}
	if version == "" && bytes.Equal(x.sent[name], b.Bytes()) {
		return nil
	}
	x.sent[name] = bytes.Clone(b.Bytes())
	return x.send(name, version, b.Bytes())
}

// send writes one event and sees it on its way.
func (x *stream) send(name, version string, body []byte) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "event: %s\n", name)
	if version != "" {
		fmt.Fprintf(&b, "id: %s\n", version)
	}
	for line := range bytes.Lines(body) {
		b.WriteString("data: ")
		b.Write(bytes.TrimRight(line, "\r\n"))
		b.WriteByte('\n')
	}
	if len(body) == 0 { // an event without data is not heard
		b.WriteString("data:\n")
	}
	b.WriteByte('\n')
	control := http.NewResponseController(x.w)
	_ = control.SetWriteDeadline(time.Now().Add(writeTimeout)) // a recorder has none
	if _, err := x.w.Write(b.Bytes()); err != nil {
		return err
	}
	return control.Flush()
}
