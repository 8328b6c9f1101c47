package archtest

import (
	"go/ast"
	"regexp"
	"strings"
)

// excuse allows a sleep that stands for a duration itself, on its line.
var excuse = regexp.MustCompile(`^// not synchronisation: \S`)

// servesTests reports whether a file belongs to a package that only tests use.
func servesTests(f *file) bool {
	return strings.HasSuffix(f.syntax.Name.Name, "test") || within(f.dir(), "internal/e2e")
}

// awake is law 9, for tests and for packages that serve tests.
func awake(t *tree) []breach {
	var found []breach
	for _, f := range t.files {
		if !f.test && !servesTests(f) {
			continue
		}
		excused := map[int]bool{}
		for _, group := range f.syntax.Comments {
			for _, c := range group.List {
				if excuse.MatchString(c.Text) {
					excused[t.line(c)] = true
				}
			}
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if name, ok := selects(f, s, "time"); ok && name == "Sleep" && !excused[t.line(s)] {
				found = append(found, breach{t.at(f, s), "sleeps; where the time itself is meant, say so behind it: // not synchronisation: <reason>"})
			}
			return true
		})
	}
	return found
}
