import { ClusterError, describeConfig } from '@cluster/core';
import {
  parseAddress,
  parseSwimConfig,
  SwimEngine,
  type SwimConfigInput,
  swimConfigSchema,
  swimPresets,
} from '@cluster/swim';
import { describe, expect, it } from 'vitest';

const problem = (config: Partial<SwimConfigInput>): string => {
  try {
    parseSwimConfig({ name: 'n', ...config });
  } catch (error) {
    if (ClusterError.is(error) && error.code === 'SWIM_CONFIG_INVALID') return error.message;
    throw error;
  }
  return 'none';
};

describe('the configuration', () => {
  it('has the documented defaults', () => {
    expect(parseSwimConfig({ name: 'n' })).toMatchObject({
      probePeriodMs: 1000,
      pingTimeoutMs: 500,
      suspectTimeoutMs: 5000,
      indirectProbes: 3,
      gossipFanout: 3,
      gossipPeriodMs: 200,
      packetBytesMax: 1400,
      pushPullPeriodMs: 30_000,
      bind: { host: '127.0.0.1', port: 0 },
    });
  });

  it.each(['lan', 'wan', 'local'] as const)(
    "has memberlist's %s numbers as a preset, which given keys override",
    (preset) => {
      expect(parseSwimConfig({ name: 'n', preset })).toMatchObject(swimPresets[preset]);
      expect(
        parseSwimConfig({ name: 'n', preset, gossipFanout: 9, probePeriodMs: undefined }).gossipFanout,
      ).toBe(9);
      expect(parseSwimConfig({ name: 'n', preset }).suspicionConfirmations).toBe(
        parseSwimConfig({ name: 'n', preset }).suspicionMult - 2,
      );
    },
  );

  it.each([
    [{ name: 'a b' }, /^The configuration is not valid: name: /],
    [{ pingTimeoutMs: 1000 }, /pingTimeoutMs: must be below probePeriodMs \(1000\)/],
    [{ suspectTimeoutMs: 900 }, /suspectTimeoutMs: must be at least suspicionMult/],
    [{ gossipPeriodMs: 3000 }, /gossipPeriodMs: must be at most half/],
    [{ reapAfterMs: 1000 }, /reapAfterMs: must be at least gossipToTheDeadMs/],
    [{ bind: { host: '0.0.0.0', port: 7946 } }, /advertise: is required when bind is 0.0.0.0/],
    [{ bind: { host: '::', port: 7946 } }, /advertise: is required when bind is ::/],
    [{ bind: { host: 'db.internal', port: 1 } }, /bind: host must be an IP address/],
    [{ advertise: { host: 'db.internal', port: 1 } }, /advertise.host: must be an IP address/],
    [{ tags: { a: 'x'.repeat(600) } }, /tags: take \d+ bytes encoded, more than 512/],
    [{ packetBytesMax: 100 }, /packetBytesMax/],
    [{ gossipFanout: 0, indirectProbes: -1 }, /indirectProbes: .*; gossipFanout: /],
  ])('refuses %j and says why', (config, why) => {
    expect(problem(config)).toMatch(why);
  });

  it('takes a wildcard with an address to advertise', () => {
    expect(
      problem({ bind: { host: '0.0.0.0', port: 7946 }, advertise: { host: '10.0.0.1', port: 7946 } }),
    ).toBe('none');
  });

  it('describes every key', () => {
    const entries = describeConfig(swimConfigSchema);
    const described = new Set(entries.map(({ key }) => key.split('.')[0]));
    expect(Object.keys(parseSwimConfig({ name: 'n' })).filter((key) => !described.has(key))).toEqual([]);
    expect(
      entries.filter(({ description, key }) => description === '' && !/^(bind|advertise)\./.test(key)),
    ).toEqual([]);
  });

  it('with keys but no cipher does not quietly run in the clear', () => {
    const config = parseSwimConfig({ name: 'n', gossipKeys: ['AAAAAAAAAAAAAAAAAAAAAA=='] });
    expect(() => new SwimEngine(config, {} as never)).toThrow(/there is no cipher/);
  });
});

describe('a seed', () => {
  it('is an IPv4 address, a name, or an IPv6 address in brackets, with a port', () => {
    expect(['10.0.0.1:7000', 'db.internal:7000', '[::1]:7000'].map(parseAddress)).toEqual([
      { host: '10.0.0.1', port: 7000 },
      { host: 'db.internal', port: 7000 },
      { host: '::1', port: 7000 },
    ]);
  });

  it.each(['10.0.0.1', ':7000', 'a:0', 'a:70000', '::1:7000', '[zz]:7000', 'a b:1', '[10.0.0.1:7000'])(
    'is not %j',
    (text) => {
      expect(() => parseAddress(text)).toThrow(/is not an address/);
    },
  );
});
