/**
 * For AWS Lambda behind API Gateway (REST and HTTP APIs), a load balancer or a function URL.
 *
 * @packageDocumentation
 */
export { type LambdaEvent, type LambdaResult, lambdaOrderSync } from '../adapters/lambda.ts'
