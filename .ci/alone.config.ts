import { defineConfig } from 'vitest/config';
import { ALONE, FULL } from './full.config.ts';

export default defineConfig({ test: { ...FULL, include: ALONE, fileParallelism: false } });
