package web

import (
	"net/http"
	"net/url"
	"time"

	"sourire/internal/i18n"
)

// languageCookie remembers the language that a reader chose.
const languageCookie = "sourire_lang"

// language returns the language of a request: the one it asks for in its
// address, which is then remembered, else the one remembered, else the browser's.
func (s *Server) language(w http.ResponseWriter, r *http.Request) *i18n.Language {
	asked := r.URL.Query().Get("lang")
	remembered := ""
	if c, err := r.Cookie(languageCookie); err == nil {
		remembered = c.Value
	}
	l := s.catalog.Match(asked, remembered, r.Header.Get("Accept-Language"))
	if asked == l.Tag() && asked != remembered {
		http.SetCookie(w, &http.Cookie{
			Name: languageCookie, Value: asked, Path: "/", MaxAge: int((365 * 24 * time.Hour).Seconds()),
			HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: r.TLS != nil,
		})
	}
	return l
}

// languageLink leads to the same page in a language.
type languageLink struct {
	Tag, Name, Address string
	Chosen             bool
}

func (s *Server) languageLinks(r *http.Request, chosen *i18n.Language) []languageLink {
	var out []languageLink
	for _, l := range s.catalog.Languages() {
		q := r.URL.Query()
		q.Set("lang", l.Tag())
		at := url.URL{Path: r.URL.Path, RawQuery: q.Encode()}
		out = append(out, languageLink{Tag: l.Tag(), Name: l.Text("language"), Address: at.RequestURI(), Chosen: l == chosen})
	}
	return out
}
