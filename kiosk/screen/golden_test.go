//go:build !race

package screen_test

import (
	"bytes"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"fyne.io/fyne/v2"

	"sourire/internal/feedback"
	"sourire/kiosk/session"
)

var update = flag.Bool("update", false, "write the pictures in testdata anew")

// tolerance is by how much a colour may differ: another processor rounds otherwise.
const tolerance = 3

// tile is one picture of a sheet.
type tile struct {
	name string
	view session.View
}

// tiles returns every state of the screen in a language.
func tiles(t *testing.T, language string) []tile {
	t.Helper()
	var all []tile
	for _, scale := range feedback.Scales() {
		all = append(all, tile{name: string(scale.ID), view: views(t, scale.ID, language)["faces"]})
	}
	of := views(t, "smiley3", language)
	for _, name := range []string{
		"change", "thanks", "choice", "choice-test", "contrast", "reasons", "reasons-3", "reasons-contrast",
		"remarks", "locked", "technician", "test", "trouble", "closed", "asleep",
	} {
		all = append(all, tile{name: name, view: of[name]})
	}
	return all
}

// TestScreen_Pictures compares each state in four languages at both usual sizes,
// made smaller, with what somebody has looked at. A sheet has four columns.
func TestScreen_Pictures(t *testing.T) {
	for _, language := range []string{"fr", "en", "ar", "zh"} {
		for _, of := range []struct {
			size  fyne.Size
			share int // of the side that is kept
		}{{sizes[0], 8}, {sizes[1], 16}} {
			name := fmt.Sprintf("%s-%vx%v", language, of.size.Width, of.size.Height)
			t.Run(name, func(t *testing.T) {
				var pictures []image.Image
				all := tiles(t, language)
				s := show(t, of.size, session.View{})
				for _, tile := range all {
					s.Show(tile.view)
					pictures = append(pictures, smaller(s.window.Canvas().Capture(), of.share))
				}
				got := sheet(pictures, 4)
				path := filepath.Join("testdata", name+".png")
				if *update {
					write(t, path, got)
				}
				if at, by := differs(got, read(t, path)); by > tolerance {
					size := pictures[0].Bounds().Size()
					i := at.Y/size.Y*4 + at.X/size.X
					t.Errorf("%s differs from testdata by %d at %v: run TestScreen_Fits with %s naming a folder, look at the pictures there, and if they are right run this test with -update",
						all[min(i, len(all)-1)].name, by, at, picturesEnv)
				}
			})
		}
	}
}

// smaller returns a picture with a share of its side; each dot is the mean of
// those it stands for.
func smaller(p image.Image, share int) *image.NRGBA {
	size := p.Bounds().Size().Div(share)
	out := image.NewNRGBA(image.Rectangle{Max: size})
	n := uint32(share * share)
	for y := range size.Y {
		for x := range size.X {
			var r, g, b uint32
			for i := range share * share {
				cr, cg, cb, _ := p.At(x*share+i%share, y*share+i/share).RGBA()
				r, g, b = r+cr>>8, g+cg>>8, b+cb>>8
			}
			out.SetNRGBA(x, y, color.NRGBA{uint8(r / n), uint8(g / n), uint8(b / n), 0xff})
		}
	}
	return out
}

// sheet puts pictures of one size side by side.
func sheet(pictures []image.Image, columns int) *image.NRGBA {
	size := pictures[0].Bounds().Size()
	rows := (len(pictures) + columns - 1) / columns
	out := image.NewNRGBA(image.Rect(0, 0, size.X*columns, size.Y*rows))
	for i, p := range pictures {
		for y := range size.Y {
			for x := range size.X {
				out.Set(i%columns*size.X+x, i/columns*size.Y+y, p.At(x, y))
			}
		}
	}
	return out
}

// differs returns the place where two pictures differ most, and by how much.
func differs(a, b image.Image) (at image.Point, by int) {
	if a.Bounds() != b.Bounds() {
		return image.Point{}, 0xff
	}
	for y := range a.Bounds().Dy() {
		for x := range a.Bounds().Dx() {
			p, q := color.NRGBAModel.Convert(a.At(x, y)).(color.NRGBA), color.NRGBAModel.Convert(b.At(x, y)).(color.NRGBA)
			for _, d := range []int{int(p.R) - int(q.R), int(p.G) - int(q.G), int(p.B) - int(q.B)} {
				if d = max(d, -d); d > by {
					at, by = image.Pt(x, y), d
				}
			}
		}
	}
	return at, by
}

func read(t *testing.T, path string) image.Image {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	p, err := png.Decode(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func write(t *testing.T, path string, p image.Image) {
	t.Helper()
	var content bytes.Buffer
	e := png.Encoder{CompressionLevel: png.BestCompression}
	if err := e.Encode(&content, p); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}
