package archtest

import (
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strings"
)

// commentLength is the least that says what a package is, where it stands and
// what it must not know.
const commentLength = 200

// planned are paths that the documents announce and that are not there yet. A
// path that has come to be is removed from here.
var planned = []string{
	"hub/alert", "hub/api", "hub/ca", "hub/notify", "hub/plan", "hub/report",
	"internal/identity",
	"kiosk/enrol",
}

// documented is law 7.
func documented(t *tree) []breach {
	found := t.packageComments()
	for _, f := range t.files {
		if !f.test {
			found = append(found, t.undocumented(f)...)
		}
		if f.syntax.Doc != nil {
			found = append(found, t.lostPaths(f.path, t.line(f.syntax.Doc), f.syntax.Doc.Text())...)
		}
	}
	for name, text := range t.texts {
		if strings.HasSuffix(name, ".md") {
			found = append(found, t.lostPaths(name, 1, text)...)
		}
	}
	for _, p := range planned {
		if t.exists(p) {
			found = append(found, breach{"internal/archtest/docs.go", p + " exists: remove it from the planned paths"})
		}
	}
	return found
}

// packageComments finds packages without a comment, with a meagre one, or with
// two.
func (t *tree) packageComments() []breach {
	first := map[string]*file{}
	comments := map[string][]*file{}
	for _, f := range t.files {
		if first[f.dir()] == nil || first[f.dir()].test && !f.test {
			first[f.dir()] = f
		}
		if f.syntax.Doc != nil && (!f.test || onlyTests(t, f.dir())) {
			comments[f.dir()] = append(comments[f.dir()], f)
		}
	}
	var found []breach
	for dir, f := range first {
		with := comments[dir]
		if len(with) == 0 {
			found = append(found, breach{dir, "the package has no comment"})
			continue
		}
		for _, other := range with[1:] {
			found = append(found, breach{other.path, "a second package comment, the first is in " + with[0].path})
		}
		text, name := with[0].syntax.Doc.Text(), f.syntax.Name.Name
		if name != "main" && !strings.HasPrefix(text, "Package "+strings.TrimSuffix(name, "_test")+" ") {
			found = append(found, breach{t.at(with[0], with[0].syntax.Doc), "the package comment does not begin with Package " + name})
		}
		if len(text) < commentLength {
			found = append(found, breach{t.at(with[0], with[0].syntax.Doc), "the package comment is too short to say what it is, where it stands, what survives a crash and what it must not know"})
		}
	}
	return found
}

func onlyTests(t *tree, dir string) bool {
	return !slices.ContainsFunc(t.files, func(f *file) bool { return f.dir() == dir && !f.test })
}

// undocumented finds exported names of a file without a comment.
func (t *tree) undocumented(f *file) []breach {
	var found []breach
	missing := func(name *ast.Ident) {
		if name.IsExported() {
			found = append(found, breach{t.at(f, name), name.Name + " is exported and has no comment"})
		}
	}
	for _, decl := range f.syntax.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Doc == nil && (d.Recv == nil || receiver(d).IsExported()) {
				missing(d.Name)
			}
		case *ast.GenDecl:
			for _, name := range undocumentedSpecs(d) {
				missing(name)
			}
		}
	}
	return found
}

// receiver returns the type's name of a method.
func receiver(d *ast.FuncDecl) *ast.Ident {
	var found *ast.Ident
	ast.Inspect(d.Recv.List[0].Type, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && found == nil {
			found = id
		}
		return found == nil
	})
	return found
}

// undocumentedSpecs returns the names of a declaration that have no comment.
// One above the brackets serves the constants and variables within; types have
// their own each.
func undocumentedSpecs(d *ast.GenDecl) []*ast.Ident {
	var names []*ast.Ident
	for _, spec := range d.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			if s.Doc == nil && s.Comment == nil && (d.Doc == nil || d.Lparen.IsValid()) {
				names = append(names, s.Name)
			}
		case *ast.ValueSpec:
			if s.Doc == nil && s.Comment == nil && d.Doc == nil && d.Tok != token.IMPORT {
				names = append(names, s.Names...)
			}
		}
	}
	return names
}

// pathLike matches what a reader takes for a path of this tree.
var pathLike = regexp.MustCompile(`(^|[^\w/.{}-])((?:kiosk|hub|internal|assets|deploy)/[\w./-]*\w)`)

// lostPaths finds paths in a text that lead nowhere. A path may be followed by
// a name of the package, "internal/run.Group".
func (t *tree) lostPaths(where string, line int, text string) []breach {
	var found []breach
	for i, words := range strings.Split(text, "\n") {
		for _, match := range pathLike.FindAllStringSubmatch(words, -1) {
			p := match[2]
			pkg := path.Join(path.Dir(p), strings.SplitN(path.Base(p), ".", 2)[0])
			if !t.exists(p) && !t.exists(pkg) && !slices.Contains(planned, p) && !slices.Contains(planned, pkg) {
				found = append(found, breach{position(where, line+i), "names the path " + p + ", which is not there"})
			}
		}
	}
	return found
}
