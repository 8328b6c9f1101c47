package setting

import (
	"fmt"
	"reflect"
	"strconv"
)

// Flags are the flags of all keys, as a struct that a command line parser
// (kong) fills by reflection:
//
//	flags := setting.NewFlags(defaults, "SOURIRE_KIOSK")
//	command := struct {
//		Run struct{ kong.Plugins } `cmd:""`
//	}{}
//	command.Run.Plugins = kong.Plugins{flags.Target()}
//	… parse …
//	setting.Load(defaults, setting.Source{Flags: flags.Given(), …})
type Flags struct {
	keys   []string
	target reflect.Value // pointer to a struct with a *string or *bool for each key
}

// NewFlags derives the flags from the same struct as Load. The tables of lists
// have none.
func NewFlags[T any](defaults T, envPrefix string) *Flags {
	s := schemaOf(reflect.ValueOf(&defaults).Elem())
	f := &Flags{}
	var fields []reflect.StructField
	for i, l := range s.leaves {
		f.keys = append(f.keys, l.name)
		fields = append(fields, flagField(i, l, envPrefix))
	}
	f.target = reflect.New(reflect.StructOf(fields))
	return f
}

// flagField describes one flag in kong's tags. Its pointer stays nil while the
// flag is not given, so that a default is never taken for a wish.
func flagField(i int, l leaf, envPrefix string) reflect.StructField {
	kind := reflect.TypeFor[*string]()
	if l.value.Kind() == reflect.Bool {
		kind = reflect.TypeFor[*bool]() // --key alone means true
	}
	help := fmt.Sprintf("%s ($%s)", l.help, envName(envPrefix, l.name))
	tag := fmt.Sprintf("name:%q help:%s placeholder:%s", l.name, strconv.Quote(help), strconv.Quote(show(plain(l.value))))
	return reflect.StructField{Name: fmt.Sprintf("Flag%d", i), Type: kind, Tag: reflect.StructTag(tag)}
}

// Target returns the pointer to the struct that the parser fills.
func (f *Flags) Target() any { return f.target.Interface() }

// Given returns the flags that were given, by key, for Source.Flags.
func (f *Flags) Given() map[string]string {
	given := map[string]string{}
	for i, key := range f.keys {
		if field := f.target.Elem().Field(i); !field.IsNil() {
			given[key] = fmt.Sprint(field.Elem().Interface())
		}
	}
	return given
}
