/**
 * A store in Redis, for any number of machines. It uses your `redis` or `ioredis` client. It is as durable as your Redis.
 *
 * @packageDocumentation
 */
export {
  type IoRedisClient,
  type NodeRedisClient,
  type RedisStoreOptions,
  redisStore,
  type UpstashRedisClient,
} from '../../stores/redis.ts'
