package screen

import (
	"image"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	qrcode "github.com/skip2/go-qrcode"
)

// code is a QR code that was drawn already.
type code struct {
	link    string
	picture image.Image // nil: the link fits none
}

// phone puts the QR code of the link at the end of a box, with a word to say what
// it is for, and returns what is left of it.
func (b *board) phone(f frame, at box) box {
	if b.code.link != b.view.Link {
		b.code = code{link: b.view.Link, picture: draw(b.view.Link)}
	}
	if b.code.picture == nil {
		return at
	}
	caption := 2 * f.unit
	dots := float32(b.code.picture.Bounds().Dx())
	side := at.h - caption
	if whole := side - float32(int(side)%int(dots)); whole > side*0.7 {
		side = float32(int(whole)) // dots of one size
	}
	width := max(side, 6.5*f.unit)
	corner := box{at.x + at.w - width + f.unit/2, at.y, width, side}
	picture := canvas.NewImageFromImage(b.code.picture)
	picture.ScaleMode, picture.FillMode = canvas.ImageScalePixels, canvas.ImageFillContain
	b.add(b.flip(box{corner.x + (width-side)/2, corner.y, side, side}).put(picture))
	b.write(b.texts.Text("phone"), font{
		largest: 0.8 * f.unit, colour: b.colours.soft, align: fyne.TextAlignCenter, lines: 2, top: true,
	}, box{corner.x, corner.y + side, width, caption})
	at.w -= width + f.unit/2
	return at
}

// draw returns a link as a QR code with its white margin, a pixel for each dot.
func draw(link string) image.Image {
	q, err := qrcode.New(link, qrcode.Low)
	if err != nil {
		return nil
	}
	return q.Image(-1)
}
