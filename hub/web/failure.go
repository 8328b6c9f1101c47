package web

import (
	"context"
	"errors"
	"net/http"

	"sourire/hub/insight"
	"sourire/internal/i18n"
)

var errNoPage = errors.New("no such page")

// failureData is what the page of a failure shows.
type failureData struct{ Title, More string }

// failure returns the status and the page for an error.
func (s *Server) failure(r *http.Request, l *i18n.Language, err error) (int, content) {
	status, key, args := http.StatusInternalServerError, "failure_500", []any(nil)
	switch {
	case errors.Is(err, errNoPage):
		status, key = http.StatusNotFound, "failure_404"
	case errors.Is(err, insight.ErrUnknownSite):
		status, key, args = http.StatusNotFound, "failure_site", []any{"site", r.PathValue("id")}
	case errors.Is(err, context.Canceled): // the reader left; nobody sees this
	default:
		s.log.Error("a page failed", "path", r.URL.Path, "error", err)
	}
	title := l.Text(key)
	return status, content{page: "failure", title: title, data: failureData{title, l.Text(key+"_more", args...)}}
}
