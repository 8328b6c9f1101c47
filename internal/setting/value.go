package setting

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

var (
	unmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
	marshaler   = reflect.TypeFor[encoding.TextMarshaler]()
	duration    = reflect.TypeFor[time.Duration]()
)

func readsText(t reflect.Type) bool { return reflect.PointerTo(t).Implements(unmarshaler) }

// isLeaf reports whether a field of the type is one value in the file.
func isLeaf(t reflect.Type) bool {
	return isScalar(t) || t.Kind() == reflect.Slice && isScalar(t.Elem())
}

func isScalar(t reflect.Type) bool {
	if readsText(t) {
		return t.Implements(marshaler) // else it could not be printed
	}
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int64, reflect.Float64:
		return true
	}
	return false
}

// expected says in words what a value of the type looks like.
func expected(t reflect.Type) string {
	switch {
	case t == duration:
		return `a duration such as "30s", "5m" or "1h30m"`
	case readsText(t), t.Kind() == reflect.String:
		return "text in quotes"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.Float64:
		return "a number"
	case t.Kind() == reflect.Slice:
		return "a list, each of it " + expected(t.Elem())
	}
	return "a whole number"
}

// set puts a value of the file into the field.
func (l leaf) set(where string, value any) error {
	if err := assign(l.value, value); err != nil {
		return fmt.Errorf("%s: %s is %s: %w", where, l.name, show(value), err)
	}
	return nil
}

// setText puts the text of a variable or a flag into the field. A list is
// separated by commas; elements that contain one need the file.
func (l leaf) setText(where, text string) error {
	value, err := parse(l.value.Type(), text)
	if err == nil {
		err = assign(l.value, value)
	}
	if err != nil {
		return fmt.Errorf("%s is %q: %w", where, text, err)
	}
	return nil
}

// parse turns text into what a file would have given for the type.
func parse(t reflect.Type, text string) (any, error) {
	var value any
	var err error
	switch {
	case t == duration, readsText(t), t.Kind() == reflect.String:
		return text, nil
	case t.Kind() == reflect.Slice:
		var list []any
		for part := range strings.SplitSeq(text, ",") {
			element, err := parse(t.Elem(), strings.TrimSpace(part))
			if err != nil {
				return nil, err
			}
			list = append(list, element)
		}
		return list, nil
	case t.Kind() == reflect.Bool:
		value, err = strconv.ParseBool(text)
	case t.Kind() == reflect.Float64:
		value, err = strconv.ParseFloat(text, 64)
	default:
		value, err = strconv.ParseInt(text, 10, 64)
	}
	if err != nil {
		return nil, fmt.Errorf("expected %s", strings.TrimSuffix(expected(t), " in quotes"))
	}
	return value, nil
}

// assign sets v from a value as the TOML library decodes it.
func assign(v reflect.Value, value any) error {
	wrong := fmt.Errorf("expected %s", expected(v.Type()))
	if list, ok := value.([]any); ok && v.Kind() == reflect.Slice && !readsText(v.Type()) {
		fresh := reflect.MakeSlice(v.Type(), len(list), len(list))
		for i, element := range list {
			if err := assign(fresh.Index(i), element); err != nil {
				return err
			}
		}
		v.Set(fresh)
		return nil
	}
	switch value := value.(type) {
	case string:
		return assignText(v, value, wrong)
	case bool:
		if v.Kind() == reflect.Bool {
			v.SetBool(value)
			return nil
		}
	case int64:
		if v.CanInt() && v.Type() != duration && !readsText(v.Type()) && !v.OverflowInt(value) {
			v.SetInt(value)
			return nil
		}
		if v.Kind() == reflect.Float64 {
			v.SetFloat(float64(value))
			return nil
		}
	case float64:
		if v.Kind() == reflect.Float64 {
			v.SetFloat(value)
			return nil
		}
	}
	return wrong
}

func assignText(v reflect.Value, text string, wrong error) error {
	switch {
	case v.Type() == duration:
		d, err := time.ParseDuration(text)
		if err != nil {
			return wrong
		}
		v.SetInt(int64(d))
	case readsText(v.Type()):
		return v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text))
	case v.Kind() == reflect.String:
		v.SetString(text)
	default:
		return wrong
	}
	return nil
}

// plain returns v as the TOML library writes it.
func plain(v reflect.Value) any {
	switch {
	case v.Type() == duration:
		return shortDuration(time.Duration(v.Int()))
	case v.Type().Implements(marshaler):
		text, err := v.Interface().(encoding.TextMarshaler).MarshalText()
		if err != nil {
			panic(fmt.Sprintf("setting: the default of a %v cannot be printed: %v", v.Type(), err))
		}
		return string(text)
	case v.Kind() == reflect.Slice:
		list := make([]any, v.Len())
		for i := range list {
			list[i] = plain(v.Index(i))
		}
		return list
	case v.Kind() == reflect.String:
		return v.String()
	}
	return v.Interface()
}

// shortDuration drops the zeros of time.Duration's text: "1h", not "1h0m0s".
func shortDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// show returns a bad value as its writer knows it.
func show(value any) string {
	switch value := value.(type) {
	case string:
		return strconv.Quote(value)
	case map[string]any, []map[string]any:
		return "a table"
	case []any:
		parts := make([]string, len(value))
		for i, element := range value {
			parts[i] = show(element)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return fmt.Sprint(value)
}
