package setting_test

import (
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"sourire/internal/setting"
)

// The printed file loads as the defaults, and with every example taken as well.
func TestPrint(t *testing.T) {
	withSites := defaults()
	withSites.Sites = []site{{Name: "Nord", Open: []string{}}, {Quiet: time.Hour, Open: []string{}}}
	for name, want := range map[string]settings{"without tables": defaults(), "with tables": withSites} {
		var out strings.Builder
		if err := setting.Print(&out, want, prefix); err != nil {
			t.Fatal(err)
		}
		path := file(t, out.String())
		if got, err := setting.Load(settings{}, setting.Source{File: path}); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v, want %+v, from\n%s", name, got, err, want, out.String())
		}
	}
}

func TestPrint_text(t *testing.T) {
	want, err := os.ReadFile("testdata/printed.toml")
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := setting.Print(&out, defaults(), prefix); err != nil {
		t.Fatal(err)
	}
	if out.String() != string(want) {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

// The commented example is right as soon as its comment signs are removed.
func TestPrint_example(t *testing.T) {
	var out strings.Builder
	if err := setting.Print(&out, defaults(), prefix); err != nil {
		t.Fatal(err)
	}
	before, example, found := strings.Cut(out.String(), "# [[site]]")
	if !found {
		t.Fatalf("got no example in\n%s", out.String())
	}
	text := before + "[[site]]" + strings.ReplaceAll(example, "\n# ", "\n")
	got, err := setting.Load(defaults(), setting.Source{File: file(t, text)})
	want := []site{{Name: "Gare du Nord", Zone: "Europe/Paris", Open: []string{"08:00", "18:00"}, Quiet: 90 * time.Minute}}
	if err != nil || !reflect.DeepEqual(got.Sites, want) {
		t.Errorf("got %+v, %v, want %+v", got.Sites, err, want)
	}
}
