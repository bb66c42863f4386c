/** A profile as a file that speedscope reads: https://www.speedscope.app/file-format-schema.json. */
import type { ProcessorProfile, RegionProfile, TranslationProfile } from '../../engine/profile/engine-profile.ts';
import type { AddressNamer } from './address-namer.ts';
import type { GuestProfile } from './guest-profiler.ts';
import { nameStacks } from './named-stacks.ts';

interface SampledProfile {
  readonly type: 'sampled';
  readonly name: string;
  /** Weights are instructions, for which speedscope has no unit. */
  readonly unit: 'none';
  readonly startValue: number;
  readonly endValue: number;
  /** Indices of frames, the outermost first. */
  readonly samples: readonly (readonly number[])[];
  readonly weights: readonly number[];
}

/** What of a guest speedscope does not show. */
export interface GuestFigures extends Omit<ProcessorProfile, 'engine'> {
  readonly name: string;
  readonly sampleInterval: number;
  readonly helpers?: Readonly<Record<string, number>>;
  readonly calls?: Readonly<Record<string, number>>;
  readonly decodedBlocks?: number;
  readonly translation?: Omit<TranslationProfile, 'regions'> & {
    readonly regions: readonly (RegionProfile & { readonly function?: string })[];
  };
}

export interface SpeedscopeFile {
  readonly $schema: 'https://www.speedscope.app/file-format-schema.json';
  readonly name: string;
  readonly exporter: string;
  readonly activeProfileIndex: number;
  readonly shared: { readonly frames: readonly { readonly name: string }[] };
  /** A profile for each guest. */
  readonly profiles: readonly SampledProfile[];
  /** Viewers pass over it. */
  readonly vetro: { readonly guests: readonly GuestFigures[] };
}

export interface SpeedscopeOptions {
  readonly name: string;
  /** Program and version. */
  readonly exporter: string;
}

export function createSpeedscopeFile(
  guests: readonly GuestProfile[],
  namer: AddressNamer,
  { name, exporter }: SpeedscopeOptions,
): SpeedscopeFile {
  const frames = new Map<string, number>();
  const indexOf = (frame: string): number => {
    const known = frames.get(frame) ?? frames.size;
    frames.set(frame, known);
    return known;
  };
  const profiles = guests.map((guest): SampledProfile => {
    const samples = nameStacks(guest, namer).map((names) => names.map(indexOf));
    return {
      type: 'sampled',
      name: guest.name,
      unit: 'none',
      startValue: 0,
      endValue: samples.length * guest.interval,
      samples,
      weights: samples.map(() => guest.interval),
    };
  });
  return {
    $schema: 'https://www.speedscope.app/file-format-schema.json',
    name,
    exporter,
    activeProfileIndex: 0,
    shared: { frames: [...frames.keys()].map((frame) => ({ name: frame })) },
    profiles,
    vetro: { guests: guests.map((guest) => figuresOf(guest, namer)) },
  };
}

function figuresOf({ name, interval, processor }: GuestProfile, namer: AddressNamer): GuestFigures {
  const { engine, ...counts } = processor;
  const { translation, ...rest } = engine ?? {};
  const regions = translation?.regions.map((region) => {
    const known = namer.function(region.linear, region);
    return { ...region, ...(known !== undefined && { function: known }) };
  });
  return {
    name,
    sampleInterval: interval,
    ...counts,
    ...rest,
    ...(translation && { translation: { ...translation, regions: regions! } }),
  };
}
