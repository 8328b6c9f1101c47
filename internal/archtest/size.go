package archtest

import (
	"fmt"
	"go/ast"
	"go/types"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

// The limits of law 8.
const (
	maxFileLines = 600
	maxFuncLines = 80
	maxMethods   = 5
)

// small is law 8. Tests, suites that tests share, and generated files may be
// longer.
func small(t *tree) []breach {
	var found []breach
	for _, f := range t.files {
		if f.test || f.generated() || strings.HasSuffix(f.dir(), "test") {
			continue
		}
		if f.lines > maxFileLines {
			found = append(found, breach{f.path, fmt.Sprintf("has %d lines", f.lines)})
		}
		for _, decl := range f.syntax.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if lines := t.fset.Position(fn.End()).Line - t.line(fn) + 1; lines > maxFuncLines {
				found = append(found, breach{t.at(f, fn), fmt.Sprintf("%s has %d lines", fn.Name.Name, lines)})
			}
		}
	}
	return append(found, t.wideInterfaces()...)
}

// wideInterfaces finds interfaces with too many methods, those they embed
// included.
func (t *tree) wideInterfaces() []breach {
	seen := map[breach]bool{}
	var found []breach
	for _, pkg := range t.typed {
		for _, syntax := range pkg.Syntax {
			name := t.fset.Position(syntax.Pos()).Filename
			if !t.inTree(syntax.Pos()) || strings.HasSuffix(name, "_test.go") || ast.IsGenerated(syntax) {
				continue
			}
			for _, b := range t.wideIn(pkg, syntax) {
				if !seen[b] {
					seen[b] = true
					found = append(found, b)
				}
			}
		}
	}
	return found
}

func (t *tree) wideIn(pkg *packages.Package, syntax *ast.File) []breach {
	var found []breach
	for _, decl := range syntax.Decls {
		d, ok := decl.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range d.Specs {
			s, ok := spec.(*ast.TypeSpec)
			if !ok {
				continue
			}
			contract, ok := pkg.TypesInfo.Defs[s.Name].Type().Underlying().(*types.Interface)
			if ok && contract.NumMethods() > maxMethods && !t.namesSuite(d.Doc.Text()+s.Doc.Text()) {
				found = append(found, breach{t.place(s.Pos()), fmt.Sprintf(
					"interface %s has %d methods, and its comment names no conformance suite (a package ending in test)", s.Name.Name, contract.NumMethods())})
			}
		}
	}
	return found
}

// namesSuite reports whether a comment names the folder of a conformance suite.
func (t *tree) namesSuite(comment string) bool {
	return slices.ContainsFunc(pathLike.FindAllStringSubmatch(comment, -1), func(match []string) bool {
		folder, _, _ := strings.Cut(match[2], ".")
		return strings.HasSuffix(folder, "test") && t.exists(folder)
	})
}
