package web

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"regexp"
	"strings"

	"sourire/assets"
)

// file is an embedded file as it is served.
type file struct {
	kind string
	body []byte
}

// loadFiles reads the style sheet, the script and the faces, and returns their
// addresses by name. An address holds a hash of the file, so it may be cached
// for ever.
func (s *Server) loadFiles() (map[string]string, error) {
	s.files = make(map[string]file)
	addresses := make(map[string]string)
	for _, from := range []fs.FS{assets.Web(), assets.Faces()} {
		names, err := fs.Glob(from, "*")
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			body, err := fs.ReadFile(from, name)
			if err != nil {
				return nil, err
			}
			sum := sha256.Sum256(body)
			ext := path.Ext(name)
			hashed := strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:6]) + ext
			s.files[hashed] = file{kind: kindOf(ext), body: body}
			addresses[name] = "/assets/" + hashed
		}
	}
	return addresses, nil
}

// kindOf returns the media type of an extension, independent of the machine's
// own tables for those that are served.
func kindOf(ext string) string {
	switch ext {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	}
	return mime.TypeByExtension(ext)
}

func (s *Server) file(w http.ResponseWriter, r *http.Request) {
	f, ok := s.files[r.PathValue("name")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", f.kind)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = w.Write(f.body)
}

var facePath = regexp.MustCompile(` d="([^"]+)"`)

// spriteOf returns the faces as symbols that a page holds once and uses by name,
// in the colour of the text around them.
func spriteOf(faces fs.FS) (template.HTML, error) {
	names, err := fs.Glob(faces, "*.svg")
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(`<svg class="sprite" aria-hidden="true">`)
	for _, name := range names {
		body, err := fs.ReadFile(faces, name)
		if err != nil {
			return "", err
		}
		d := facePath.FindSubmatch(body)
		if d == nil {
			return "", fmt.Errorf("face %s has no path", name)
		}
		fmt.Fprintf(&b, `<symbol id="%s" viewBox="0 0 64 64"><path fill="currentColor" fill-rule="evenodd" d="%s"/></symbol>`,
			strings.TrimSuffix(name, ".svg"), d[1])
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String()), nil //nolint:gosec // embedded files of this program
}
