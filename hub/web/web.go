package web

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"time"

	"sourire/assets"
	"sourire/hub/insight"
	"sourire/hub/live"
	"sourire/hub/site"
	"sourire/internal/feedback"
	"sourire/internal/i18n"
)

// Reader answers the questions of pages; it is an [insight.Insight].
type Reader interface {
	Sites(ctx context.Context) ([]insight.Summary, error)
	Site(ctx context.Context, id feedback.SiteID, day site.Day) (insight.View, error)
	Life(ctx context.Context, id feedback.SiteID) (insight.Life, error)
}

// News tells of commits; it is a [live.Board].
type News interface {
	Subscribe(ctx context.Context) (<-chan live.News, bool)
}

// Options of a Server. Insight and Live are needed.
type Options struct {
	Insight Reader
	Live    News
	// Writes, if not nil, returns why the hub's store refuses writes, or nil
	// while it takes them. It is called at each request and must be quick.
	Writes func() error
	// Role, if not nil, says in a line who ingests; it must be quick.
	Role func() string
	Log  *slog.Logger // nil means slog.Default()
	// Heartbeat is how often an open page hears that the hub is there, and
	// looks at what no commit tells (a kiosk gone silent); 0 means 15 s.
	Heartbeat time.Duration
}

// Server makes pages. It owns no goroutine: each request has its own.
type Server struct {
	insight   Reader
	live      News
	writes    func() error
	role      func() string
	log       *slog.Logger
	heartbeat time.Duration
	catalog   *i18n.Catalog
	pages     map[string]pageSet // by language
	files     map[string]file    // by hashed name
}

// pageSet holds the pages of one language by the names of their folders.
type pageSet map[string]*template.Template

//go:embed templates
var templates embed.FS

// New returns a server; it fails only when a template or a text is broken.
func New(o Options) (*Server, error) {
	s := &Server{
		insight: o.Insight, live: o.Live, writes: o.Writes, role: o.Role, log: o.Log, heartbeat: o.Heartbeat,
		pages: make(map[string]pageSet),
	}
	if s.writes == nil {
		s.writes = func() error { return nil }
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	if s.heartbeat == 0 {
		s.heartbeat = 15 * time.Second
	}
	var err error
	if s.catalog, err = i18n.Load(assets.Locales(), "en"); err != nil {
		return nil, err
	}
	names, err := s.loadFiles()
	if err != nil {
		return nil, err
	}
	sprite, err := spriteOf(assets.Faces())
	if err != nil {
		return nil, err
	}
	for _, l := range s.catalog.Languages() {
		if s.pages[l.Tag()], err = parse(l, names, sprite); err != nil {
			return nil, fmt.Errorf("pages in %s: %w", l.Tag(), err)
		}
	}
	return s, nil
}

// parse reads the templates of every page, speaking a language.
func parse(l *i18n.Language, names map[string]string, sprite template.HTML) (pageSet, error) {
	funcs := template.FuncMap{
		"t": l.Text, "n": l.Count, "int": l.Int, "lang": l.Tag,
		"asset":  func(name string) string { return names[name] },
		"sprite": func() template.HTML { return sprite },
	}
	set := make(pageSet)
	for _, page := range []string{"sites", "site", "failure"} {
		t, err := template.New(page).Funcs(funcs).Option("missingkey=error").
			ParseFS(templates, "templates/layout/*.html", "templates/"+page+"/*.html")
		if err != nil {
			return nil, err
		}
		set[page] = t
	}
	return set, nil
}

// Handler returns what serves every page. A server with a write time-out would
// cut the live pages: each answer bounds its own writing instead.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.page(s.sites))
	mux.HandleFunc("GET /site/{id}", s.page(s.site))
	mux.HandleFunc("GET /site/{id}/events", s.events)
	mux.HandleFunc("GET /assets/{name}", s.file)
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.HandleFunc("/", s.page(func(*http.Request, *i18n.Language) (content, error) { return content{}, errNoPage }))
	return http.NewCrossOriginProtection().Handler(headers(s.recovered(mux)))
}

// content is what a page shows.
type content struct {
	page     string // the folder of its templates
	title    string
	refusing bool // the store refuses writes
	data     any
}

// shell is what the layout shows.
type shell struct {
	Title     string
	Refusing  bool
	Languages []languageLink
	Content   any
}

// writeTimeout is how long a reader may take to take one answer, or one piece
// of a live one.
const writeTimeout = 20 * time.Second

// page serves what a page is made of, or the failure to make it.
func (s *Server) page(compose func(*http.Request, *i18n.Language) (content, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		l := s.language(w, r)
		c, err := compose(r, l)
		status := http.StatusOK
		if err != nil {
			status, c = s.failure(r, l, err)
		}
		if s.writes() != nil {
			c.refusing = true
		}
		var out bytes.Buffer
		err = s.pages[l.Tag()][c.page].ExecuteTemplate(&out, "page", shell{
			Title: c.title, Refusing: c.refusing, Languages: s.languageLinks(r, l), Content: c.data,
		})
		if err != nil {
			s.log.Error("a page could not be made", "path", r.URL.Path, "error", err)
			http.Error(w, l.Text("failure_500"), http.StatusInternalServerError)
			return
		}
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Cache-Control", "private, no-cache")
		h.Set("Vary", "Accept-Language, Cookie")
		h.Set("Content-Language", l.Tag())
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout)) // a recorder has none
		w.WriteHeader(status)
		_, _ = w.Write(out.Bytes()) // a reader who left
	}
}

// healthz says whether the hub counts, and below that who ingests.
func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if err := s.writes(); err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, "the store refuses writes")
	} else {
		fmt.Fprintln(w, "ok")
	}
	if s.role != nil {
		fmt.Fprintln(w, s.role())
	}
}

// headers sets what guards every answer. No page needs a script or a style of
// another origin, or one inside the page.
func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "+
			"connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}

// recovered answers a panic with the page of a failure.
func (s *Server) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(p)
			}
			s.page(func(*http.Request, *i18n.Language) (content, error) {
				return content{}, fmt.Errorf("panic: %v", p)
			})(w, r)
		}()
		next.ServeHTTP(w, r)
	})
}
