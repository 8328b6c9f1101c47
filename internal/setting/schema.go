package setting

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// schema is what a struct of settings consists of. Its values are settable
// fields of that struct.
type schema struct {
	sections []named // in order, for their help
	leaves   []leaf  // those outside a section first
	tables   []table
}

// named is a thing of the struct with its name in the file and its help.
type named struct{ name, help string }

// leaf is one key with one value; its name is whole, "hub.address".
type leaf struct {
	named
	example string
	value   reflect.Value
}

// table is a list of tables, [[name]].
type table struct {
	named
	value reflect.Value // the slice
}

func (n named) key() string { return n.name }

// find returns the thing of that name, else nil.
func find[E interface{ key() string }](all []E, name string) *E {
	i := slices.IndexFunc(all, func(e E) bool { return e.key() == name })
	if i < 0 {
		return nil
	}
	return &all[i]
}

// schemaOf reads the tags of a struct.
func schemaOf(v reflect.Value) *schema {
	s := &schema{}
	var inSections []leaf
	for i := range v.NumField() {
		field := v.Type().Field(i)
		n := nameOf(v.Type(), field)
		switch {
		case isLeaf(field.Type):
			s.leaves = append(s.leaves, leaf{n, field.Tag.Get("example"), v.Field(i)})
		case field.Type.Kind() == reflect.Struct:
			s.sections = append(s.sections, n)
			inSections = append(inSections, leavesOf(n.name, v.Field(i))...)
		case field.Type.Kind() == reflect.Slice && field.Type.Elem().Kind() == reflect.Struct:
			s.tables = append(s.tables, table{n, v.Field(i)})
		default:
			panic(fmt.Sprintf("setting: %v.%s cannot be a setting: it is a %v", v.Type(), field.Name, field.Type))
		}
	}
	s.leaves = append(s.leaves, inSections...)
	return s
}

// schemaOfTable reads the tags of a struct that is one table of a list.
func schemaOfTable(v reflect.Value) *schema {
	s := schemaOf(v)
	if len(s.sections)+len(s.tables) > 0 {
		panic(fmt.Sprintf("setting: %v is a table of a list and cannot hold sections or lists of tables", v.Type()))
	}
	return s
}

// leavesOf returns the keys of a section.
func leavesOf(section string, v reflect.Value) []leaf {
	var leaves []leaf
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if !isLeaf(field.Type) {
			panic(fmt.Sprintf("setting: %v.%s cannot stand in a section: it is a %v", v.Type(), field.Name, field.Type))
		}
		n := nameOf(v.Type(), field)
		n.name = section + "." + n.name
		leaves = append(leaves, leaf{n, field.Tag.Get("example"), v.Field(i)})
	}
	return leaves
}

// nameOf returns the name and help of a field; both are demanded, for a
// setting without them cannot be found or understood.
func nameOf(of reflect.Type, field reflect.StructField) named {
	n := named{field.Tag.Get("toml"), field.Tag.Get("help")}
	if n.name == "" || n.help == "" || !field.IsExported() {
		panic(fmt.Sprintf("setting: %v.%s must be exported and have the tags toml and help", of, field.Name))
	}
	return n
}

func (s *schema) sectionNames() []string {
	var names []string
	for _, section := range s.sections {
		names = append(names, section.name)
	}
	return names
}

// names returns everything that may stand in the file.
func (s *schema) names() []string {
	names := s.sectionNames()
	for _, l := range s.leaves {
		names = append(names, l.name)
	}
	for _, t := range s.tables {
		names = append(names, t.name)
	}
	return names
}

// unknown says that a key means nothing, and which one was probably meant.
func (s *schema) unknown(where, key string) error {
	if near := nearest(key, s.names()); near != "" {
		return fmt.Errorf("%s: unknown key %s, did you mean %s?", where, key, near)
	}
	section, _, _ := strings.Cut(key, ".")
	var known []string
	for _, name := range s.names() {
		if strings.HasPrefix(name, section+".") {
			known = append(known, name)
		}
	}
	if len(known) == 0 {
		known = s.names()
	}
	return fmt.Errorf("%s: unknown key %s, known are %s", where, key, strings.Join(known, ", "))
}

// nearest returns the candidate most like key, or "" when none is like it. A
// key that was only put into the wrong section, or none, is like it too.
func nearest(key string, candidates []string) string {
	best, least := "", max(2, len(key)/3)+1
	for _, candidate := range candidates {
		d := distance(key, candidate)
		if last(key) == last(candidate) {
			d = min(d, 2)
		}
		if d < least {
			best, least = candidate, d
		}
	}
	return best
}

func last(key string) string { return key[strings.LastIndexByte(key, '.')+1:] }

// distance counts the single-byte insertions, deletions and replacements that
// make b out of a (Levenshtein 1966).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
