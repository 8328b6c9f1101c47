package screen

import (
	"strings"
	"unicode/utf8"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"

	"sourire/kiosk/input"
	"sourire/kiosk/session"
)

// languages offers those that the plan has, each by its own name and always at
// the same place: whoever chose the wrong one taps beside it.
func (b *board) languages(f frame) {
	n := len(b.view.Languages)
	if n == 0 {
		return
	}
	gap := f.unit / 4
	perRow := (n + f.rows - 1) / f.rows
	width := min(7*f.unit, (f.foot.w-gap)/float32(perRow)-gap)
	height := (f.foot.h - gap) / float32(f.rows)
	boxes, names := make([]box, n), make([]string, n)
	for i, language := range b.view.Languages {
		row := i / perRow
		inRow := float32(min(perRow, n-row*perRow))
		x := f.foot.x + (f.foot.w-(width+gap)*inRow+gap)/2
		boxes[i] = box{x + float32(i%perRow)*(width+gap), f.foot.y + float32(row)*height, width, height - gap}
		names[i] = b.look.texts.Match(language).Text("name")
	}
	rtl := b.rtl
	b.rtl = false
	defer func() { b.rtl = rtl }()
	set := b.font(font{largest: f.unit, lines: 1})
	size := set.size(names, insets(boxes))
	for i, language := range b.view.Languages {
		b.button(boxes[i], button{
			text: names[i], size: size, chosen: language == b.view.Language,
			down: func() { b.tell(input.Signal{Kind: input.Language, Text: language}) },
		})
	}
}

// insets are where the texts of buttons go.
func insets(boxes []box) []box {
	all := make([]box, len(boxes))
	for i, at := range boxes {
		all[i] = at.inset(min(at.w, at.h)/10, 2)
	}
	return all
}

// reasons asks what it was.
func (b *board) reasons(f frame) {
	skip := box{f.whole.w - 9*f.unit, f.whole.h - 3.2*f.unit, 8 * f.unit, 2.6 * f.unit}
	b.write(b.view.Ask, font{
		largest: 1.9 * f.unit, bold: true, colour: b.colours.ink, align: fyne.TextAlignCenter, lines: 2,
	}, box{1.5 * f.unit, 1.3 * f.unit, f.whole.w - 3*f.unit, 4.2 * f.unit})
	area := box{1.5 * f.unit, 6 * f.unit, f.whole.w - 3*f.unit, skip.y - 6.6*f.unit}
	n := len(b.view.Choices)
	columns := 1
	if n > 3 {
		columns = 2
	}
	rows := (n + columns - 1) / columns
	gap := 0.7 * f.unit
	height := min(5*f.unit, (area.h+gap)/float32(max(1, rows))-gap)
	width := (area.w+gap)/float32(columns) - gap
	if columns == 1 {
		width = min(width, 22*f.unit)
	}
	top := area.y + (area.h-(height+gap)*float32(rows)+gap)/2
	boxes, labels := make([]box, n), make([]string, n)
	for i, c := range b.view.Choices {
		x := area.x + float32(i%columns)*(width+gap)
		if columns == 1 {
			x = area.x + (area.w-width)/2
		}
		boxes[i], labels[i] = box{x, top + float32(i/columns)*(height+gap), width, height}, c.Text
	}
	size := b.font(font{largest: 1.4 * f.unit, lines: 2}).size(labels, insets(boxes))
	for i, c := range b.view.Choices {
		b.button(boxes[i], button{
			text: c.Text, size: size, lines: 2,
			down: func() { b.tell(input.Signal{Kind: input.Reason, Text: c.Code}) },
		})
	}
	b.skip(f, skip)
}

func (b *board) skip(f frame, at box) {
	b.button(at, button{text: b.texts.Text("skip"), size: 1.1 * f.unit, down: func() { b.tell(input.Signal{Kind: input.Skip}) }})
}

// remarks asks for a text.
func (b *board) remarks(f frame) {
	u, w := f.unit, f.whole.w
	line := max(2.5*u, least)
	wide := 6 * u
	y := u / 2
	if b.striped() {
		y = f.strip.h + u/3
	}
	b.write(b.view.Ask, font{
		largest: 1.4 * u, bold: true, colour: b.colours.ink, lines: 2,
	}, box{u, y, w - 2*wide - 3*u, line})
	b.skip(f, box{w - 2*wide - 1.4*u, y, wide, line})
	b.button(box{w - wide - 0.7*u, y, wide, line}, button{
		text: b.texts.Text("send"), size: 1.1 * u, bold: true, chosen: true,
		down: func() { b.tell(input.Signal{Kind: input.Comment, Text: b.typed}) },
	})
	y += line + u/2
	rows := b.rows(w - 0.8*u)
	height := min(3.4*u, (f.whole.h-y-5.6*u)/float32(len(rows)+1))
	keys := box{0.4 * u, f.whole.h - height*float32(len(rows)+1) - 0.2*u, w - 0.8*u, height}
	field := box{0.7 * u, y, w - 1.4*u, keys.y - y - 1.7*u}
	b.field(f, field)
	b.write(b.texts.Text("private"), font{largest: 0.85 * u, colour: b.colours.soft, lines: 1}, box{u, field.y + field.h + 0.1*u, w - 2*u, 1.5 * u})
	b.letters(f, keys, rows)
}

// field shows the end of what was typed, and where the next letter goes.
func (b *board) field(f frame, at box) {
	back := canvas.NewRectangle(b.colours.key)
	back.StrokeColor, back.StrokeWidth, back.CornerRadius = b.colours.soft, 2, 8
	b.add(b.flip(at).put(back))
	set := b.font(font{largest: 1.2 * f.unit, colour: b.colours.ink})
	in := b.flip(at.inset(0.7*f.unit, 0.2*f.unit))
	size := 1.2 * f.unit
	usual := words(b.texts.Text("private")) // so that no letter changes the size
	for size > smallest && 2*set.lineHeight(usual, size) > in.h {
		size--
	}
	lines, ok := set.wrap(words(b.typed), size, in.w-4)
	if !ok { // a word that is longer than the field
		lines = set.broken(b.typed, size, in.w-4)
	}
	height := set.lineHeight(words(b.typed), size)
	if room := max(1, int(in.h/height)); len(lines) > room {
		lines = lines[len(lines)-room:]
	}
	caret := box{in.x, in.y, 2, height}
	if b.rtl {
		caret.x = in.x + in.w - 2
	}
	for i, line := range lines {
		y := in.y + float32(i)*height
		b.add(set.line(line, size, box{in.x, y, in.w, height})...)
		if i < len(lines)-1 {
			continue
		}
		end := line
		if strings.HasSuffix(b.typed, " ") {
			end += "\u00a0"
		}
		caret.y = y
		if width := min(set.width(end, size), in.w-2); b.rtl {
			caret.x = in.x + in.w - width - 2
		} else {
			caret.x = in.x + width
		}
	}
	b.add(caret.put(canvas.NewRectangle(b.colours.ink)))
}

// broken fills lines letter by letter.
func (f font) broken(text string, size, width float32) []string {
	var lines []string
	for _, r := range text {
		if n := len(lines); n > 0 && f.width(lines[n-1]+string(r), size) <= width {
			lines[n-1] += string(r)
			continue
		}
		lines = append(lines, string(r))
	}
	return lines
}

// press takes a letter.
func (b *board) press(letter string) {
	if utf8.RuneCountInString(b.typed) >= session.MaxComment || letter == " " && (b.typed == "" || strings.HasSuffix(b.typed, " ")) {
		return
	}
	b.typed += letter
	b.edited(false)
}

// erase takes the last letter back.
func (b *board) erase() {
	_, n := utf8.DecodeLastRuneInString(b.typed)
	b.typed = b.typed[:len(b.typed)-n]
	b.edited(b.typed == "")
}

// edited tells of the text that stands there now.
func (b *board) edited(capital bool) {
	b.capital = capital
	b.tell(input.Signal{Kind: input.Typing, Text: b.typed})
	b.draw()
}

func (b *board) shift() {
	b.capital = !b.capital
	b.draw()
}

var _ fyne.Widget = (*board)(nil)
