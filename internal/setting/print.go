package setting

import (
	"bytes"
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/BurntSushi/toml"
)

// lineWidth is where the comments of a printed file wrap.
const lineWidth = 78

// Print writes a settings file that says what every key means and gives it its
// default: loading it changes nothing.
func Print[T any](w io.Writer, defaults T, envPrefix string) error {
	s := schemaOf(reflect.ValueOf(&defaults).Elem())
	var out bytes.Buffer
	comment(&out, "", "Each setting shows its default. Above it stand its meaning, the environment variable "+
		"and the flag that set it too; a flag beats the variable, and that beats this file.")
	section := ""
	for _, l := range s.leaves {
		out.WriteByte('\n')
		if name, _, inside := strings.Cut(l.name, "."); inside && name != section {
			section = name
			comment(&out, "", find(s.sections, name).help)
			fmt.Fprintf(&out, "[%s]\n\n", name)
		}
		comment(&out, "", l.help)
		comment(&out, "", envName(envPrefix, l.name)+" or --"+l.name)
		assignment(&out, "", last(l.name), plain(l.value))
	}
	for _, t := range s.tables {
		out.WriteByte('\n')
		comment(&out, "", t.help)
		comment(&out, "", "It stands in this file only: no variable and no flag sets it.")
		t.print(&out)
	}
	_, err := w.Write(out.Bytes())
	return err
}

// print writes the tables of the default, or one as an example.
func (t table) print(out *bytes.Buffer) {
	if t.value.Len() == 0 {
		element := reflect.New(t.value.Type().Elem()).Elem()
		printTable(out, "# ", t.name, schemaOfTable(element))
		return
	}
	for i := range t.value.Len() {
		printTable(out, "", t.name, schemaOfTable(t.value.Index(i)))
	}
}

// printTable writes one table of a list; as an example, behind "# ", it shows
// the examples of its keys.
func printTable(out *bytes.Buffer, prefix, name string, s *schema) {
	fmt.Fprintf(out, "%s[[%s]]\n", prefix, name)
	for _, l := range s.leaves {
		comment(out, prefix, l.help)
		value := plain(l.value)
		if prefix != "" && l.example != "" {
			example := reflect.New(l.value.Type()).Elem()
			if err := (leaf{l.named, "", example}).setText("the example", l.example); err != nil {
				panic("setting: " + err.Error())
			}
			value = plain(example)
		}
		assignment(out, prefix, l.name, value)
	}
}

func assignment(out *bytes.Buffer, prefix, key string, value any) {
	line, err := toml.Marshal(map[string]any{key: value})
	if err != nil {
		panic(fmt.Sprintf("setting: the default of %s cannot be printed: %v", key, err))
	}
	out.WriteString(prefix + string(line))
}

// comment writes text behind "# ", wrapped.
func comment(out *bytes.Buffer, prefix, text string) {
	line := prefix + "#"
	for word := range strings.FieldsSeq(text) {
		if len(line)+1+len(word) > lineWidth && line != prefix+"#" {
			out.WriteString(line + "\n")
			line = prefix + "#"
		}
		line += " " + word
	}
	out.WriteString(line + "\n")
}
