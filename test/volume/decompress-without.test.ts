/** The same where native functions cannot be had: by node:zlib. */
import { expect, test, vi } from 'vitest';
import { native } from '../../src/native.ts';
import { openGoodFrames, refuseDamagedFrames } from './frames-to-open.ts';

vi.mock('../../src/native.ts', () => ({ native: () => undefined }));

test('there are none here', () => expect(native()).toBeUndefined());

test('good frames give what they hold', openGoodFrames);

test('damaged frames are refused', refuseDamagedFrames);
