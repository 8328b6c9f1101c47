package archtest

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"path"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

// emptyNames say nothing about what a package provides.
var emptyNames = []string{"util", "utils", "common", "helper", "helpers", "manager", "managers", "base"}

var replaceDirective = regexp.MustCompile(`(?m)^\s*replace\b`)

// noHiddenState is law 5.
func noHiddenState(t *tree) []breach {
	var found []breach
	for _, f := range t.files {
		found = append(found, t.initFuncs(f)...)
		name := strings.TrimSuffix(f.syntax.Name.Name, "_test")
		if slices.Contains(emptyNames, name) {
			found = append(found, breach{position(f.path, t.line(f.syntax.Name)), "a package named " + name + " says nothing about what it provides"})
		}
		if f.test || strings.HasSuffix(name, "test") {
			continue
		}
		for _, i := range t.imports(f) {
			if within(i.path, "testing") {
				found = append(found, breach{position(f.path, i.line), fmt.Sprintf("package %s imports %s", name, i.path)})
			}
		}
	}
	for name, text := range t.texts {
		if path.Base(name) == "go.mod" && replaceDirective.MatchString(text) {
			found = append(found, breach{name, "has a replace directive"})
		}
	}
	return append(found, t.changedVariables()...)
}

func (t *tree) initFuncs(f *file) []breach {
	var found []breach
	for _, decl := range f.syntax.Decls {
		if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
			found = append(found, breach{t.at(f, fn), "has an init function"})
		}
	}
	return found
}

// changedVariables finds assignments to package variables, of this package or
// another, and to parts of them.
func (t *tree) changedVariables() []breach {
	seen := map[breach]bool{}
	var found []breach
	for _, pkg := range t.typed {
		for _, syntax := range pkg.Syntax {
			if !t.inTree(syntax.Pos()) {
				continue
			}
			for _, target := range assigned(syntax) {
				v := packageVariable(pkg, target)
				if v == nil {
					continue
				}
				b := breach{t.place(target.Pos()), fmt.Sprintf("assigns to package variable %s", v.Name())}
				if !seen[b] { // a package is loaded again with its tests
					seen[b] = true
					found = append(found, b)
				}
			}
		}
	}
	return found
}

// assigned returns the expressions of a file that receive a value.
func assigned(syntax *ast.File) []ast.Expr {
	var targets []ast.Expr
	ast.Inspect(syntax, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			if n.Tok != token.DEFINE {
				targets = append(targets, n.Lhs...)
			}
		case *ast.IncDecStmt:
			targets = append(targets, n.X)
		case *ast.RangeStmt:
			if n.Tok == token.ASSIGN {
				targets = append(targets, n.Key)
				if n.Value != nil {
					targets = append(targets, n.Value)
				}
			}
		}
		return true
	})
	return targets
}

// packageVariable returns the package variable that an assignment to target
// changes, or nil.
func packageVariable(pkg *packages.Package, target ast.Expr) *types.Var {
	for {
		switch x := target.(type) {
		case *ast.ParenExpr:
			target = x.X
		case *ast.IndexExpr:
			target = x.X
		case *ast.StarExpr:
			target = x.X
		case *ast.SelectorExpr:
			if v := globalVar(pkg.TypesInfo.Uses[x.Sel]); v != nil {
				return v // of another package
			}
			target = x.X
		case *ast.Ident:
			return globalVar(pkg.TypesInfo.Uses[x])
		default:
			return nil
		}
	}
}

func globalVar(o types.Object) *types.Var {
	v, ok := o.(*types.Var)
	if !ok || v.IsField() || v.Pkg() == nil || v.Parent() != v.Pkg().Scope() {
		return nil
	}
	return v
}

// ownedGoroutines is law 6, as far as it can be read: a package that starts
// goroutines has a test that would notice one left behind. What serves tests is
// used by those tests.
func ownedGoroutines(t *tree) []breach {
	starts := map[string]string{} // folder: first place
	looks := map[string]bool{}
	for _, f := range t.files {
		if f.test {
			for _, i := range t.imports(f) {
				if i.path == "go.uber.org/goleak" || i.path == "testing/synctest" {
					looks[f.dir()] = true
				}
			}
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			if g, ok := n.(*ast.GoStmt); ok && starts[f.dir()] == "" && !servesTests(f) {
				starts[f.dir()] = t.at(f, g)
			}
			return true
		})
	}
	var found []breach
	for dir, where := range starts {
		if !looks[dir] {
			found = append(found, breach{where, "starts a goroutine, and no test of the package uses goleak or synctest to see that it ends"})
		}
	}
	return found
}
