/** Refcounts of 1 to 64 bits, packed. Below 8 bits the first of a byte is the lowest. */

/** @param order the width is 2 to this power, in bits */
export function getRefcount(view: DataView, order: number, index: number): number {
  switch (order) {
    case 3:
      return view.getUint8(index);
    case 4:
      return view.getUint16(index * 2);
    case 5:
      return view.getUint32(index * 4);
    case 6:
      return view.getUint32(index * 8) * 2 ** 32 + view.getUint32(index * 8 + 4);
    default: {
      const { at, shift, mask } = placeOf(order, index);
      return (view.getUint8(at) >> shift) & mask;
    }
  }
}

export function setRefcount(view: DataView, order: number, index: number, value: number): void {
  switch (order) {
    case 3:
      return view.setUint8(index, value);
    case 4:
      return view.setUint16(index * 2, value);
    case 5:
      return view.setUint32(index * 4, value);
    case 6:
      view.setUint32(index * 8, Math.floor(value / 2 ** 32));
      return view.setUint32(index * 8 + 4, value % 2 ** 32);
    default: {
      const { at, shift, mask } = placeOf(order, index);
      view.setUint8(at, (view.getUint8(at) & ~(mask << shift)) | ((value & mask) << shift));
    }
  }
}

function placeOf(order: number, index: number): { at: number; shift: number; mask: number } {
  const bit = index * 2 ** order;
  return { at: bit >> 3, shift: bit & 7, mask: 2 ** (2 ** order) - 1 };
}

/** How many refcounts a cluster holds. */
export const refcountsPerBlock = (clusterBytes: number, order: number): number => (clusterBytes * 8) / 2 ** order;
