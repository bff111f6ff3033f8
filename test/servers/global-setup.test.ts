import { afterEach, expect, it, vi } from 'vitest';
import setup from './global-setup.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

it('says aloud that tests are skipped, and why', async () => {
  const provide = vi.fn();
  const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  expect(await setup({ provide }, ['/usr/bin/memcached'], {})).toBeUndefined();
  expect(provide).toHaveBeenCalledWith('servers', undefined);
  expect(said.mock.calls.join()).toMatch(/SKIPPED: .* lacks \/usr\/bin\/memcached; .*npm run packages/);
});

it.each([{ HOLDFAST_REQUIRE_SERVERS: '1' }, { CI: 'true' }])('fails instead where %o', async (env) => {
  await expect(setup({ provide: vi.fn() }, ['/usr/bin/memcached'], env)).rejects.toThrow(
    'a real Swift and Keystone are required: this machine lacks /usr/bin/memcached;',
  );
});
