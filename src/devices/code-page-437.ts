/** The character set of a PC's display adapter, code page 437, as Unicode. NUL and NBSP are shown as spaces. */
const GRAPHICS_LOW = ' ☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼';
const HIGH =
  'ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐' +
  '└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■ ';

/** The character that a display adapter shows for a byte. */
export function decodeCodePage437(byte: number): string {
  if (byte < 0x20) return GRAPHICS_LOW[byte];
  if (byte === 0x7f) return '⌂';
  return byte < 0x80 ? String.fromCharCode(byte) : HIGH[byte - 0x80];
}
