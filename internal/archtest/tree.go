package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/tools/go/packages"
)

// module is the name of the tree in import paths.
const module = "sourire"

// tree is everything the laws look at.
type tree struct {
	root   string
	fset   *token.FileSet
	files  []*file           // every Go file, whatever its tags, in order of paths
	texts  map[string]string // documents (.md) and go.mod files, by path
	typed  []*packages.Package
	broken []breach // packages that do not compile; the laws see their text only
}

// file is one parsed Go file.
type file struct {
	path   string // relative to the tree, with slashes
	test   bool   // _test.go
	syntax *ast.File
	lines  int
}

// dir returns the folder of the file, "." for the tree's own.
func (f *file) dir() string { return path.Dir(f.path) }

// generated reports whether a program wrote the file.
func (f *file) generated() bool { return ast.IsGenerated(f.syntax) }

// imported is one import of a file.
type imported struct {
	path string
	line int
}

func (t *tree) imports(f *file) []imported {
	var all []imported
	for _, spec := range f.syntax.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err == nil {
			all = append(all, imported{p, t.line(spec)})
		}
	}
	return all
}

func (t *tree) line(n ast.Node) int { return t.fset.Position(n.Pos()).Line }

// at returns the place of a node of the file.
func (t *tree) at(f *file, n ast.Node) string { return position(f.path, t.line(n)) }

// exists reports whether a path, relative to the tree, is there.
func (t *tree) exists(p string) bool {
	_, err := os.Stat(filepath.Join(t.root, filepath.FromSlash(p)))
	return err == nil
}

// within reports whether an import path or folder is root or below it.
func within(p, root string) bool { return p == root || strings.HasPrefix(p, root+"/") }

// own returns the folder of an import path of this module.
func own(importPath string) (dir string, ok bool) { return strings.CutPrefix(importPath, module+"/") }

// load reads the tree at root.
func load(root string) (*tree, error) {
	t := &tree{root: root, fset: token.NewFileSet(), texts: map[string]string{}}
	if err := filepath.WalkDir(root, t.visit); err != nil {
		return nil, err
	}
	return t, t.loadTypes()
}

// visit reads one file. Folders that the go command does not look into are not
// part of the tree, but for the modfiles of the tools.
func (t *tree) visit(p string, entry fs.DirEntry, err error) error {
	if err != nil {
		return err
	}
	rel, err := filepath.Rel(t.root, p)
	if err != nil {
		return err
	}
	rel = filepath.ToSlash(rel)
	name := entry.Name()
	switch {
	case entry.IsDir() && rel != ".":
		hidden := strings.HasPrefix(name, ".") && name != ".tools"
		if hidden || strings.HasPrefix(name, "_") || name == "testdata" || name == "bin" {
			return filepath.SkipDir
		}
	case strings.HasSuffix(name, ".go"):
		return t.parse(p, rel)
	case strings.HasSuffix(name, ".md"), name == "go.mod":
		text, err := os.ReadFile(p)
		t.texts[rel] = string(text)
		return err
	}
	return nil
}

func (t *tree) parse(p, rel string) error {
	syntax, err := parser.ParseFile(t.fset, p, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	t.files = append(t.files, &file{
		path:   rel,
		test:   strings.HasSuffix(rel, "_test.go"),
		syntax: syntax,
		lines:  t.fset.File(syntax.FileStart).LineCount(),
	})
	return nil
}

// loadTypes checks the types of the default build, with its tests.
func (t *tree) loadTypes() error {
	const mode = packages.NeedName | packages.NeedFiles | packages.NeedImports |
		packages.NeedTypes | packages.NeedTypesInfo | packages.NeedSyntax
	all, err := packages.Load(&packages.Config{Mode: mode, Dir: t.root, Tests: true, Fset: t.fset}, "./...")
	for _, pkg := range all {
		if len(pkg.Errors) == 0 {
			t.typed = append(t.typed, pkg)
			continue
		}
		t.broken = append(t.broken, breach{pkg.PkgPath, "does not compile: " + pkg.Errors[0].Error()})
	}
	return err
}

// place returns the place of a position in typed syntax.
func (t *tree) place(pos token.Pos) string {
	p := t.fset.Position(pos)
	rel, err := filepath.Rel(t.root, p.Filename)
	if err != nil {
		return p.String()
	}
	return position(filepath.ToSlash(rel), p.Line)
}

// inTree reports whether a position is in a file of the tree; the go command's
// generated test mains are not.
func (t *tree) inTree(pos token.Pos) bool {
	rel, err := filepath.Rel(t.root, t.fset.Position(pos).Filename)
	return err == nil && filepath.IsLocal(rel)
}
